//! The nearest valid name.

/// Names longer than this are not compared.
const LENGTH_MAX: usize = 64;

/// The candidate that was probably meant, when one is close.
pub(crate) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    if name.is_empty() || name.chars().count() > LENGTH_MAX {
        return None;
    }
    let lower = name.to_lowercase();
    let distance = |candidate: &'c str| {
        let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
        let exact = strsim::damerau_levenshtein(name, candidate);
        ((distance, exact), candidate)
    };
    let far = 1 + lower.chars().count() / 4;
    let fitting = candidates.into_iter().filter(|candidate| {
        candidate.len() <= 4 * LENGTH_MAX
            && candidate.chars().count().abs_diff(lower.chars().count()) <= far
    });
    let (distance, candidate) = fitting.map(distance).min()?;
    let shorter = lower.chars().count().min(candidate.chars().count());
    (distance.0 <= far && distance.0 < shorter).then_some(candidate)
}

/// `did you mean "…"?`, when a candidate is close.
pub fn did_you_mean<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<String> {
    nearest(name, candidates).map(|candidate| format!("did you mean {candidate:?}?"))
}

/// As [`did_you_mean`]; when none is close and there are only a few, they are listed.
pub(crate) fn did_you_mean_or_list(name: &str, candidates: &[&str]) -> Option<String> {
    did_you_mean(name, candidates.iter().copied()).or_else(|| {
        let quoted: Vec<_> = candidates.iter().map(|name| format!("{name:?}")).collect();
        match quoted.as_slice() {
            [only] => Some(format!("there is only {only}")),
            [_, _, ..] if quoted.len() <= 6 => Some(format!("there are {}", quoted.join(", "))),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_close_names_are_suggested() {
        let calls = ["QueueUserAPC", "QueueUserAPC2", "SetEvent", "ResetEvent"];
        assert_eq!(nearest("QueueUserApc", calls), Some("QueueUserAPC"));
        assert_eq!(nearest("SetEvnt", calls), Some("SetEvent"));
        assert_eq!(nearest("CreateFile", calls), None);
        assert_eq!(nearest("", calls), None);
        assert_eq!(nearest("a", ["b"]), None);
    }
}
