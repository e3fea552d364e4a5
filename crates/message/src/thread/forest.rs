//! Rooted trees that grow, are linked and cut, and say in logarithmic time where a root is.
//!
//! Each path from a root down is kept as a splay tree ordered by depth (Sleator and Tarjan's
//! link-cut trees), so that a chain of a hundred thousand messages costs no more than a short one.

/// No node.
const NONE: u32 = u32::MAX;

/// The trees.
#[derive(Debug, Default)]
pub(super) struct Forest {
    nodes: Vec<Node>,
}

/// A node's place in the splay tree of its path; `parent` of that tree's root is the node the
/// path hangs from.
#[derive(Clone, Copy, Debug)]
struct Node {
    parent: u32,
    /// Nodes above it in its path, and below it.
    children: [u32; 2],
}

const ABOVE: usize = 0;
const BELOW: usize = 1;

impl Forest {
    /// Adds a node that is a tree of its own: the next number.
    pub(super) fn grow(&mut self) {
        self.nodes.push(Node {
            parent: NONE,
            children: [NONE; 2],
        });
    }

    /// The root of the tree the node is in.
    pub(super) fn root(&mut self, node: u32) -> u32 {
        self.expose(node);
        let mut at = node;
        while self.child(at, ABOVE) != NONE {
            at = self.child(at, ABOVE);
        }
        // What was deep comes up, so that the next question is cheap.
        self.splay(at);
        at
    }

    /// Hangs a root, `child`, below a node of another tree.
    pub(super) fn link(&mut self, child: u32, parent: u32) {
        self.expose(child);
        self.expose(parent);
        self.set_parent(child, parent);
    }

    /// Takes a node with all below it off its parent.
    pub(super) fn cut(&mut self, child: u32) {
        self.expose(child);
        let above = self.child(child, ABOVE);
        if above != NONE {
            self.set_parent(above, NONE);
            self.set_child(child, ABOVE, NONE);
        }
    }

    /// Makes the path from the root to this node one splay tree with the node at its top.
    fn expose(&mut self, node: u32) {
        let (mut at, mut below) = (node, NONE);
        while at != NONE {
            self.splay(at);
            self.set_child(at, BELOW, below);
            below = at;
            at = self.parent(at);
        }
        self.splay(node);
    }

    fn splay(&mut self, node: u32) {
        while let Some(side) = self.side(node) {
            let parent = self.parent(node);
            if let Some(above) = self.side(parent) {
                self.rotate(if side == above { parent } else { node });
            }
            self.rotate(node);
        }
    }

    /// Brings a node up by one.
    fn rotate(&mut self, node: u32) {
        let Some(side) = self.side(node) else {
            return;
        };
        let parent = self.parent(node);
        let grandparent = self.parent(parent);
        if let Some(above) = self.side(parent) {
            self.set_child(grandparent, above, node);
        }
        self.set_parent(node, grandparent);
        let moved = self.child(node, 1 - side);
        self.set_child(parent, side, moved);
        if moved != NONE {
            self.set_parent(moved, parent);
        }
        self.set_child(node, 1 - side, parent);
        self.set_parent(parent, node);
    }

    /// On which side of its parent it is; `None` for the root of a splay tree.
    fn side(&self, node: u32) -> Option<usize> {
        let children = self.get(self.parent(node))?.children;
        children.iter().position(|&child| child == node)
    }

    fn get(&self, node: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(node).ok()?)
    }

    fn parent(&self, node: u32) -> u32 {
        self.get(node).map_or(NONE, |node| node.parent)
    }

    fn child(&self, node: u32, side: usize) -> u32 {
        let child = self.get(node).and_then(|node| node.children.get(side));
        child.copied().unwrap_or(NONE)
    }

    fn set_parent(&mut self, node: u32, parent: u32) {
        let at = usize::try_from(node).unwrap_or(usize::MAX);
        if let Some(node) = self.nodes.get_mut(at) {
            node.parent = parent;
        }
    }

    fn set_child(&mut self, node: u32, side: usize, child: u32) {
        let at = usize::try_from(node).unwrap_or(usize::MAX);
        let node = self.nodes.get_mut(at);
        if let Some(slot) = node.and_then(|node| node.children.get_mut(side)) {
            *slot = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive_root(parents: &[Option<u32>], mut node: u32) -> u32 {
        while let Some(parent) = parents[node as usize] {
            node = parent;
        }
        node
    }

    proptest! {
        #[test]
        fn roots_are_where_walking_finds_them(
            steps in prop::collection::vec((0..3_u8, 0..12_u32, 0..12_u32), 0..200),
        ) {
            let mut forest = Forest::default();
            (0..12).for_each(|_| forest.grow());
            let mut parents: Vec<Option<u32>> = vec![None; 12];
            for (step, one, other) in steps {
                let parent = parents[one as usize];
                match step {
                    0 if parent.is_none() && naive_root(&parents, other) != one => {
                        forest.link(one, other);
                        parents[one as usize] = Some(other);
                    }
                    1 if parent.is_some() => {
                        forest.cut(one);
                        parents[one as usize] = None;
                    }
                    _ => {}
                }
                prop_assert_eq!(forest.root(other), naive_root(&parents, other));
                prop_assert_eq!(forest.root(one), naive_root(&parents, one));
            }
        }
    }

    #[test]
    fn a_long_chain_is_followed_to_its_end() {
        let mut forest = Forest::default();
        let count = 100_000;
        (0..count).for_each(|_| forest.grow());
        for child in (1..count).rev() {
            forest.link(child, child - 1);
            assert_eq!(forest.root(count - 1), child - 1);
        }
    }
}
