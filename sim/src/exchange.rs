//! What a search that goes on from one of several like states has to say of the others.

use alertable_models::ids::{LabelId, ThreadId};
use alertable_models::program::Program;
use alertable_traces::outcome::Outcome;

/// Threads that can be exchanged for each other, each with the labels of its results, in the same
/// order.
pub(crate) type Group = Vec<(ThreadId, Vec<LabelId>)>;

/// Every way to hand out what the threads of a group have come to, the given one first: for each
/// thread, by number, the thread whose it gets. Threads that have come to the same are not
/// exchanged.
pub(crate) fn exchanges<T: Eq>(groups: &[Group], ends: &[T]) -> Vec<Vec<usize>> {
    let mut ways = vec![(0..ends.len()).collect::<Vec<_>>()];
    for group in groups {
        let places: Vec<usize> = group.iter().map(|(thread, _)| thread.index()).collect();
        let mut orders = vec![Vec::new()];
        for _ in &places {
            orders = orders
                .into_iter()
                .flat_map(|order: Vec<usize>| {
                    let left: Vec<usize> =
                        places.iter().copied().filter(|place| !order.contains(place)).collect();
                    // Of those that have come to the same, the first one is the next.
                    let is_first =
                        |at: usize| left[..at].iter().all(|o| ends[*o] != ends[left[at]]);
                    let next: Vec<usize> = (0..left.len()).filter(|at| is_first(*at)).collect();
                    next.into_iter()
                        .map(|at| {
                            let mut order = order.clone();
                            order.push(left[at]);
                            order
                        })
                        .collect::<Vec<_>>()
                })
                .collect();
        }
        ways = ways
            .into_iter()
            .flat_map(|way| {
                orders.iter().map({
                    let places = &places;
                    move |order| {
                        let mut way = way.clone();
                        for (place, from) in places.iter().zip(order) {
                            way[*place] = *from;
                        }
                        way
                    }
                })
            })
            .collect();
    }
    ways
}

/// For each label that gets the results of another one on a way to exchange threads: both.
fn exchanged_labels<'a>(
    groups: &'a [Group],
    way: &'a [usize],
) -> impl Iterator<Item = (LabelId, LabelId)> + 'a {
    groups.iter().flat_map(move |group| {
        group.iter().flat_map(move |(thread, labels)| {
            let from = group.iter().find(|(from, _)| from.index() == way[thread.index()]);
            let from = from.map_or(&labels[..], |(_, labels)| &labels[..]);
            labels.iter().copied().zip(from.iter().copied())
        })
    })
}

/// What the labels of each of so many threads have told, given that of each label.
pub(crate) fn told_by_threads(groups: &[Group], told: &[u64], count: usize) -> Vec<Vec<u64>> {
    let mut of_threads = vec![Vec::new(); count];
    for (thread, labels) in groups.iter().flatten() {
        let told = labels.iter().filter_map(|label| told.get(label.index()).copied());
        of_threads[thread.index()] = told.collect();
    }
    of_threads
}

/// What each label has told, with the threads exchanged.
pub(crate) fn exchanged_told(groups: &[Group], told: &[u64], way: &[usize]) -> Vec<u64> {
    let mut exchanged = told.to_vec();
    for (label, from) in exchanged_labels(groups, way).filter(|_| !told.is_empty()) {
        exchanged[label.index()] = told[from.index()];
    }
    exchanged
}

/// An outcome with the threads exchanged.
pub(crate) fn exchanged(
    program: &Program,
    groups: &[Group],
    outcome: &Outcome,
    way: &[usize],
) -> Outcome {
    let name = |thread: usize| program.thread_name(ThreadId::from_index(thread));
    let renamed = |old: &str| {
        let at = way.iter().position(|from| name(*from) == old);
        at.map_or_else(|| old.to_owned(), |at| name(at).to_owned())
    };
    let mut blocked: Vec<String> = outcome.blocked.iter().map(|old| renamed(old)).collect();
    blocked.sort();
    let exits = outcome.exits.iter().map(|(old, code)| (renamed(old), *code)).collect();
    let mut labels = outcome.labels.clone();
    for (label, from) in exchanged_labels(groups, way) {
        let (label, from) = (program.label(label), program.label(from));
        match outcome.labels.get(from) {
            Some(results) => labels.insert(label.to_owned(), results.clone()),
            None => labels.remove(label),
        };
    }
    Outcome { blocked, exits, labels, ..outcome.clone() }
}

#[cfg(test)]
mod tests {
    use super::{Group, exchanged_told, exchanges, told_by_threads};
    use alertable_models::ids::{LabelId, ThreadId};

    #[test]
    fn threads_that_came_to_the_same_are_not_exchanged() {
        let group: Group =
            [0, 2, 3].map(|thread| (ThreadId::from_index(thread), Vec::new())).to_vec();
        let groups = [group];
        let ways = exchanges(&groups, &["ended", "other", "ended", "waits"]);
        assert_eq!(ways, [[0, 1, 2, 3], [0, 1, 3, 2], [3, 1, 0, 2]]);
        assert_eq!(exchanges(&groups, &["a", "b", "a", "a"]).len(), 1);
        assert_eq!(exchanges(&[], &["a", "b"]), [[0, 1]]);
    }
    #[test]
    fn what_labels_tell_goes_with_their_threads() {
        let member = |thread, labels: [usize; 2]| {
            (ThreadId::from_index(thread), labels.map(LabelId::from_index).to_vec())
        };
        let groups = [vec![member(0, [0, 1]), member(2, [4, 3])]];
        let told = [10, 11, 12, 13, 14];
        assert_eq!(told_by_threads(&groups, &told, 3), [vec![10, 11], vec![], vec![14, 13]]);
        assert_eq!(exchanged_told(&groups, &told, &[2, 1, 0]), [14, 13, 12, 11, 10]);
        assert_eq!(exchanged_told(&groups, &told, &[0, 1, 2]), told);
    }
}
