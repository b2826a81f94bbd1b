//! What leaves: words to all, and what the node is told.

use cluster::seam::{Leadership, Tell};

use super::{Machine, Output, Post};
use crate::words::{Packet, Word};

impl Machine {
    /// Says something that does not rest on what is to be written.
    pub(super) fn say(&mut self, word: Word) {
        let (cluster, from) = (self.cluster, self.config.id);
        self.outputs.push_back(Output::Send(Packet { cluster, from, word }));
    }

    /// Says something when all that is to be written is on disk.
    pub(super) fn swear(&mut self, word: Word) {
        self.flush();
        self.say(word);
    }

    /// Has what changed written, before whatever comes out next.
    pub(super) fn flush(&mut self) {
        if !self.write.is_empty() {
            let write = core::mem::take(&mut self.write);
            self.outputs.push_back(Output::Write(write));
        }
    }

    /// Tells who leads, if that is news. Of itself a member says so only when an entry of its term is
    /// committed, and with it all before.
    pub(super) fn tell_leadership(&mut self) {
        let leader = match &self.post {
            Post::Leading(leading) => leading.told.then(|| self.config.name.clone()),
            Post::Follower | Post::Standing(_) => self.leader.and_then(|(id, _)| self.called(id)),
        };
        let leadership = Leadership { term: self.term, leader };
        let before = self.told.replace(leadership.clone());
        let nothing =
            leadership.leader.is_none() && before.as_ref().is_none_or(|it| it.leader.is_none());
        if before.as_ref() != Some(&leadership) && !nothing {
            self.outputs.push_back(Output::Tell(Tell::Leads(leadership)));
        }
    }

    /// What somebody is called, by what it says or by what the members know.
    pub(super) fn called(&self, id: crate::words::Id) -> Option<base::Name> {
        let said = self.group.values().flatten().find(|(it, _)| *it == id);
        let known = || self.members().all.get(&id).map(|it| it.name.clone());
        said.map(|(_, hello)| hello.name.clone()).or_else(known)
    }

    /// Tells the members as of an index.
    pub(super) fn tell_members(&mut self, index: u64) {
        let members = self.log.members(index);
        let roles = members.all.values().map(|it| (it.name.clone(), it.role)).collect();
        self.outputs.push_back(Output::Tell(Tell::Members(roles)));
    }
}
