//! The tree of workloads: a pod holds containers, a slice holds services.

/// Who stands below whom, by index. Parents are added before their children.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Place>,
    roots: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Place {
    parent: Option<usize>,
    children: Vec<usize>,
    /// The top of its branch.
    root: usize,
    weight: u64,
    /// All below a root that has children, itself first; empty elsewhere.
    branch: Vec<usize>,
}

impl Tree {
    /// Adds a node; returns its index.
    pub(super) fn add(&mut self, parent: Option<usize>, weight: u64) -> usize {
        let index = self.nodes.len();
        let parent = parent.filter(|parent| *parent < index);
        let root = parent.map_or(index, |parent| self.nodes[parent].root);
        self.nodes.push(Place {
            parent,
            children: Vec::new(),
            root,
            weight: weight.max(1),
            branch: Vec::new(),
        });
        match parent {
            Some(parent) => {
                self.nodes[parent].children.push(index);
                if self.nodes[root].branch.is_empty() {
                    self.nodes[root].branch.push(root);
                }
                self.nodes[root].branch.push(index);
            }
            None => self.roots.push(index),
        }
        index
    }

    pub(super) fn parent(&self, index: usize) -> Option<usize> {
        self.nodes[index].parent
    }

    pub(super) fn children(&self, index: usize) -> &[usize] {
        &self.nodes[index].children
    }

    pub(super) fn roots(&self) -> &[usize] {
        &self.roots
    }

    pub(super) fn root(&self, index: usize) -> usize {
        self.nodes[index].root
    }

    pub(super) fn weight(&self, index: usize) -> u64 {
        self.nodes[index].weight
    }

    pub(super) fn set_weight(&mut self, index: usize, weight: u64) {
        self.nodes[index].weight = weight.max(1);
    }

    /// All in the branch of a root that has children, parents first; empty for a root without.
    pub(super) fn branch(&self, root: usize) -> &[usize] {
        &self.nodes[root].branch
    }

    /// Everything above, from the parent upwards.
    pub(super) fn above(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.parent(index), |above| self.parent(*above))
    }
}
