//! What can be seen of a cluster at one moment, and what is to be seen of it.

use base::Name;

/// All nodes, in their order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Picture {
    /// Each.
    pub nodes: Vec<Seen>,
}

/// One node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Its name.
    pub name: Name,
    /// What its process answers; `None` if none does.
    pub says: Option<Says>,
    /// What is active on it, whoever knows of that. A resource that runs twice is here twice.
    pub active: Vec<Active>,
}

/// What a node says of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Says {
    /// Whether it has quorum.
    pub quorum: bool,
    /// Who directs.
    pub dc: Option<Name>,
    /// Whether it is the one.
    pub directs: bool,
    /// On the DC: whether all is as the document says.
    pub settled: bool,
    /// The same number for the same document.
    pub document: u64,
    /// The last numbered change in it.
    pub mark: Option<u64>,
}

/// Something that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Active {
    /// Which resource; a clone's copies by the clone's name.
    pub resource: Name,
    /// Since when, in whatever all nodes of a stage count by; `None` where that cannot be seen.
    pub since: Option<u64>,
}

impl Seen {
    /// How often that runs here.
    #[must_use]
    pub fn count(&self, resource: &str) -> usize {
        self.active.iter().filter(|it| &*it.resource == resource).count()
    }

    /// Since when it runs here.
    #[must_use]
    pub fn since(&self, resource: &str) -> Option<u64> {
        self.active.iter().find(|it| &*it.resource == resource)?.since
    }
}

impl Picture {
    /// On which nodes that runs, by their places.
    #[must_use]
    pub fn places(&self, resource: &str) -> Vec<usize> {
        let runs = |(at, seen): (usize, &Seen)| vec![at; seen.count(resource)];
        self.nodes.iter().enumerate().flat_map(runs).collect()
    }

    /// For whoever has to find out what went wrong.
    #[must_use]
    pub fn tell(&self) -> String {
        let line = |seen: &Seen| {
            let active: Vec<String> =
                seen.active.iter().map(|it| it.resource.to_string()).collect();
            let says = seen.says.as_ref().map_or("does not answer".to_owned(), |it| {
                format!(
                    "quorum {}, DC {}, settled {}, document {:x}, mark {:?}",
                    it.quorum,
                    it.dc.as_deref().unwrap_or("-"),
                    it.settled,
                    it.document,
                    it.mark
                )
            });
            format!("{}: {says}; active: {}\n", seen.name, active.join(" "))
        };
        self.nodes.iter().map(line).collect()
    }
}

/// What is to be so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// Of each node.
    pub nodes: Vec<Wanted>,
    /// The cluster leaves everything alone.
    pub maintenance: bool,
    /// Where the wanderer is wanted.
    pub preferred: Option<usize>,
    /// The last change that was acknowledged.
    pub mark: Option<u64>,
}

/// What is wanted of one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// It takes part.
    pub up: bool,
    /// It runs nothing.
    pub standby: bool,
    /// On which side of a cut it is.
    pub side: u8,
}

impl Wish {
    /// All of so many nodes take part.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        let nodes = vec![Wanted { up: true, standby: false, side: 0 }; nodes];
        Self { nodes, maintenance: false, preferred: None, mark: None }
    }

    /// Who takes part on that side.
    #[must_use]
    pub fn on(&self, side: u8) -> Vec<usize> {
        let there = |(at, it): (usize, &Wanted)| (it.up && it.side == side).then_some(at);
        self.nodes.iter().enumerate().filter_map(there).collect()
    }

    /// Whether those who take part on that side may decide.
    #[must_use]
    pub fn quorum(&self, side: u8) -> bool {
        self.on(side).len() >= cluster::membership::majority(self.nodes.len())
    }

    /// Who is to run resources.
    #[must_use]
    pub fn serving(&self) -> Vec<usize> {
        let decides = |it: &Wanted| it.up && !it.standby && self.quorum(it.side);
        let serves = |(at, it): (usize, &Wanted)| decides(it).then_some(at);
        self.nodes.iter().enumerate().filter_map(serves).collect()
    }

    /// The sides there are.
    #[must_use]
    pub fn sides(&self) -> Vec<u8> {
        let mut sides: Vec<u8> = self.nodes.iter().map(|it| it.side).collect();
        sides.sort_unstable();
        sides.dedup();
        sides
    }
}
