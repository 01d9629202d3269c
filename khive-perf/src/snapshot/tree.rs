//! CallTree: who called whom, with the time that each path took.

use std::collections::HashMap;
use std::time::Duration;

use crate::recorder::node::OVERFLOW_ID;
use crate::recorder::totals::TreeTotals;
use crate::registry::identity::Identity;
use crate::sync::Arc;

/// Paths of calls, from all threads together.
///
/// A measured call's parent is the measured call around it; of a future, the one around each poll, so
/// that a spawned task begins at the top. A recursive call belongs to the path of the outer one.
///
/// # Limits
///
/// At most [`call_tree_nodes_max`](crate::Config::call_tree_nodes_max) paths; all others are one, with
/// [`CallPath::is_overflow`].
#[derive(Clone, Debug, Default)]
pub struct CallTree {
    /// A caller comes before its callees.
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
struct Node {
    /// `None` for the paths beyond the limit.
    identity: Option<Arc<Identity>>,
    /// `None` at the top.
    parent: Option<usize>,
    calls: u64,
    total_ns: u64,
    self_ns: u64,
}

impl Node {
    fn key(&self) -> &str {
        self.identity.as_ref().map_or("", |identity| &identity.key)
    }
}

impl CallTree {
    pub(crate) fn of(totals: &TreeTotals, identities: &[Arc<Identity>]) -> Self {
        // The root, which is no call, goes; everyone else moves up by one.
        let nodes = totals
            .nodes()
            .iter()
            .skip(1)
            .map(|node| Node {
                identity: identities
                    .get(node.id as usize)
                    .filter(|_| node.id != OVERFLOW_ID)
                    .cloned(),
                parent: node.parent.checked_sub(1),
                calls: node.calls,
                total_ns: node.total_ns,
                self_ns: u64::try_from(node.self_ns).unwrap_or(0),
            })
            .collect();
        Self { nodes }
    }

    /// Calls that no measured call is around, those with the longest total time first.
    #[must_use]
    pub fn roots(&self) -> Vec<CallPath<'_>> {
        self.below(None)
    }

    /// Number of paths.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no path.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(crate) fn overflow_calls(&self) -> u64 {
        self.nodes
            .iter()
            .filter(|node| node.identity.is_none())
            .map(|node| node.calls)
            .sum()
    }

    fn below(&self, parent: Option<usize>) -> Vec<CallPath<'_>> {
        let mut children: Vec<_> = (0..self.nodes.len())
            .filter_map(|index| {
                Some(CallPath {
                    tree: self,
                    index,
                    node: self.nodes.get(index)?,
                })
            })
            .filter(|path| path.node.parent == parent)
            .collect();
        children.sort_by(|a, b| {
            b.node
                .total_ns
                .cmp(&a.node.total_ns)
                .then_with(|| a.node.key().cmp(b.node.key()))
        });
        children
    }

    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut delta = self.clone();
        let mapped = delta.indices_of(earlier, false);
        for (node, at) in earlier.nodes.iter().zip(mapped) {
            if let Some(now) = at.and_then(|at| delta.nodes.get_mut(at)) {
                now.calls = now.calls.saturating_sub(node.calls);
                now.total_ns = now.total_ns.saturating_sub(node.total_ns);
                now.self_ns = now.self_ns.saturating_sub(node.self_ns);
            }
        }
        delta
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let mapped = self.indices_of(other, true);
        for (node, at) in other.nodes.iter().zip(mapped) {
            if let Some(mine) = at.and_then(|at| self.nodes.get_mut(at)) {
                mine.calls += node.calls;
                mine.total_ns += node.total_ns;
                mine.self_ns += node.self_ns;
            }
        }
    }

    /// Where each path of `other` stands in this tree; made, without figures, if asked.
    fn indices_of(&mut self, other: &Self, make: bool) -> Vec<Option<usize>> {
        let mut index: HashMap<(Option<usize>, String), usize> = HashMap::new();
        for (i, node) in self.nodes.iter().enumerate() {
            index.insert((node.parent, node.key().to_owned()), i);
        }
        let mut mapped: Vec<Option<usize>> = Vec::with_capacity(other.nodes.len());
        for node in &other.nodes {
            let parent = match node.parent {
                None => None,
                Some(parent) => match mapped.get(parent).copied().flatten() {
                    Some(at) => Some(at),
                    None => {
                        mapped.push(None);
                        continue;
                    }
                },
            };
            let key = (parent, node.key().to_owned());
            let at = index.get(&key).copied().or_else(|| {
                make.then(|| {
                    let identity = node.identity.clone();
                    self.nodes.push(Node {
                        identity,
                        parent,
                        calls: 0,
                        total_ns: 0,
                        self_ns: 0,
                    });
                    index.insert(key, self.nodes.len() - 1);
                    self.nodes.len() - 1
                })
            });
            mapped.push(at);
        }
        mapped
    }
}

/// One path of a [`CallTree`].
#[derive(Clone, Copy, Debug)]
pub struct CallPath<'a> {
    tree: &'a CallTree,
    index: usize,
    node: &'a Node,
}

impl<'a> CallPath<'a> {
    /// Name of the callsite at the end of the path.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.node
            .identity
            .as_ref()
            .map_or("(further paths)", |identity| &identity.name)
    }

    /// Whether this stands for all paths beyond the limit.
    #[must_use]
    pub fn is_overflow(&self) -> bool {
        self.node.identity.is_none()
    }

    /// Finished calls on this path.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.node.calls
    }

    /// Time on a thread on this path, measured callees included.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.node.total_ns)
    }

    /// Time on a thread on this path, measured callees left out.
    #[must_use]
    pub fn self_time(&self) -> Duration {
        Duration::from_nanos(self.node.self_ns)
    }

    /// Measured calls made from this path, those with the longest total time first.
    #[must_use]
    pub fn children(&self) -> Vec<Self> {
        self.tree.below(Some(self.index))
    }
}
