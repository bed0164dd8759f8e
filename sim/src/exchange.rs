//! What a search that goes on from one of several like states has to say of the others.

use alertable_models::ids::ThreadId;
use alertable_models::program::Program;
use alertable_traces::outcome::Outcome;

/// Every way to hand out what the threads of a group have come to, the given one first: for each
/// thread, by number, the thread whose it gets. Threads that have come to the same are not
/// exchanged.
pub(crate) fn exchanges<T: Eq>(groups: &[Vec<ThreadId>], ends: &[T]) -> Vec<Vec<usize>> {
    let mut ways = vec![(0..ends.len()).collect::<Vec<_>>()];
    for group in groups {
        let places: Vec<usize> = group.iter().map(|thread| thread.index()).collect();
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

/// An outcome with the threads exchanged.
pub(crate) fn exchanged(program: &Program, outcome: &Outcome, way: &[usize]) -> Outcome {
    let name = |thread: usize| program.thread_name(ThreadId::from_index(thread));
    let renamed = |old: &str| {
        let at = way.iter().position(|from| name(*from) == old);
        at.map_or_else(|| old.to_owned(), |at| name(at).to_owned())
    };
    let mut blocked: Vec<String> = outcome.blocked.iter().map(|old| renamed(old)).collect();
    blocked.sort();
    let exits = outcome.exits.iter().map(|(old, code)| (renamed(old), *code)).collect();
    Outcome { blocked, exits, ..outcome.clone() }
}

#[cfg(test)]
mod tests {
    use super::exchanges;
    use alertable_models::ids::ThreadId;

    #[test]
    fn threads_that_came_to_the_same_are_not_exchanged() {
        let group: Vec<ThreadId> = [0, 2, 3].map(ThreadId::from_index).to_vec();
        let groups = [group];
        let ways = exchanges(&groups, &["ended", "other", "ended", "waits"]);
        assert_eq!(ways, [[0, 1, 2, 3], [0, 1, 3, 2], [3, 1, 0, 2]]);
        assert_eq!(exchanges(&groups, &["a", "b", "a", "a"]).len(), 1);
        assert_eq!(exchanges(&[], &["a", "b"]), [[0, 1]]);
    }
}
