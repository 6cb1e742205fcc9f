//! Who runs when all want more than the node has: weights between siblings, level by level.

use super::{tree::Tree, work::clip};

/// Not yet decided.
const OPEN: u64 = u64::MAX;

/// Divides `capacity` among the leaves of a tree. `desires` holds what each leaf wants and is filled in
/// for inner nodes; `rates` becomes what each node gets. All in micro-CPUs; what cannot be divided evenly
/// is left over.
pub(super) fn share(tree: &Tree, capacity: u64, desires: &mut [u64], rates: &mut [u64]) {
    // Parents come before their children.
    for index in (0..desires.len()).rev() {
        let children = tree.children(index);
        if !children.is_empty() {
            desires[index] = children.iter().map(|child| desires[*child]).sum();
        }
    }
    divide(tree, tree.roots(), capacity, desires, rates);
    for index in 0..desires.len() {
        divide(tree, tree.children(index), rates[index], desires, rates);
    }
}

/// Divides `capacity` among siblings by weight; what one does not want is for the others.
fn divide(tree: &Tree, siblings: &[usize], capacity: u64, desires: &[u64], rates: &mut [u64]) {
    let mut rest = capacity;
    let mut weights = 0;
    for &sibling in siblings {
        rates[sibling] = OPEN;
        weights += tree.weight(sibling);
    }
    loop {
        let part = |sibling| {
            clip(u128::from(rest) * u128::from(tree.weight(sibling)) / u128::from(weights.max(1)))
        };
        // Those who want less than their part: what they leave makes every other part larger.
        let (mut given, mut gone) = (0, 0);
        for &sibling in siblings {
            if rates[sibling] == OPEN && desires[sibling] <= part(sibling) {
                rates[sibling] = desires[sibling];
                given += desires[sibling];
                gone += tree.weight(sibling);
            }
        }
        if gone == 0 {
            for &sibling in siblings {
                if rates[sibling] == OPEN {
                    rates[sibling] = part(sibling);
                }
            }
            return;
        }
        rest -= given;
        weights -= gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parents, weights, desires of the leaves; what each node gets of `capacity`.
    fn shared(nodes: &[(Option<usize>, u64, u64)], capacity: u64) -> Vec<u64> {
        let mut tree = Tree::default();
        for (parent, weight, _) in nodes {
            tree.add(*parent, *weight);
        }
        let mut desires: Vec<_> = nodes.iter().map(|(_, _, desire)| *desire).collect();
        let mut rates = vec![0; nodes.len()];
        share(&tree, capacity, &mut desires, &mut rates);
        rates
    }

    #[test]
    fn all_get_what_they_want_when_there_is_enough() {
        assert_eq!(shared(&[(None, 100, 30), (None, 1, 70)], 100), [30, 70]);
    }

    #[test]
    fn weights_decide_and_what_one_leaves_is_for_the_others() {
        let nodes = [(None, 100, 1000), (None, 300, 1000), (None, 100, 10)];
        assert_eq!(shared(&nodes, 410), [100, 300, 10]);
    }

    #[test]
    fn children_divide_what_their_parent_gets() {
        let nodes = [
            (None, 100, 0),
            (None, 100, 1000),
            (Some(0), 100, 1000),
            (Some(0), 300, 1000),
        ];
        assert_eq!(shared(&nodes, 800), [400, 400, 100, 300]);
    }
}
