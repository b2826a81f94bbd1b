//! Giving rights up: capabilities, user, files, programs (SEC-04, SEC-05 of the conformance
//! reference).
//!
//! Everything here is for the start of a process, before it has a second thread, and cannot be taken
//! back. What a kernel or container does not let us give up is not fatal: it is answered as a
//! [`Gap`], for somebody to be told.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs,
};

use crate::users::Identity;

/// A right that a role keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// Addresses, routes, links, nftables.
    NetAdmin,
    /// Raw and packet sockets.
    NetRaw,
    /// Real-time priority.
    Nice,
    /// Reading files whoever they belong to.
    ReadFiles,
}

impl Right {
    fn capability(self) -> CapabilitySet {
        match self {
            Right::NetAdmin => CapabilitySet::NET_ADMIN,
            Right::NetRaw => CapabilitySet::NET_RAW,
            Right::Nice => CapabilitySet::SYS_NICE,
            Right::ReadFiles => CapabilitySet::DAC_READ_SEARCH,
        }
    }
}

/// Something that could not be given up, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap(pub String);

/// Keeps these rights and no others, as this user if one is given, and never gains any again
/// (`no_new_privs`).
///
/// # Errors
/// `prctl(2)` refused what every kernel since 3.5 grants.
pub fn keep_only(rights: &[Right], user: Option<&Identity>) -> io::Result<Vec<Gap>> {
    let mut gaps = Vec::new();
    let keep = rights.iter().fold(CapabilitySet::empty(), |set, right| set | right.capability());
    // While we still have the right to.
    for capability in CapabilitySet::all().iter().filter(|one| !keep.contains(*one)) {
        if capability_is_in_bounding_set(capability).unwrap_or(false)
            && let Err(error) = remove_capability_from_bounding_set(capability)
        {
            gaps.push(Gap(format!("the bounding set keeps {capability:?}: {error}")));
        }
    }
    if let Some(user) = user {
        set_keep_capabilities(true)?;
        if let Err(error) = become_user(user) {
            gaps.push(Gap(format!("stays user {}: {error}", Uid::effective())));
        }
        set_keep_capabilities(false)?;
    }
    clear_ambient_capability_set()?;
    let sets =
        CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() };
    if let Err(error) = set_capabilities(None, sets) {
        // We may hold less than we would keep (a container): then what we hold is all there is.
        gaps.push(Gap(format!("capabilities stay as they are: {error}")));
    }
    set_no_new_privs(true)?;
    Ok(gaps)
}

fn become_user(user: &Identity) -> nix::Result<()> {
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    setgroups(&groups)?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

/// From now on files are only read, but for those beneath `writable`, and nothing is executed
/// (`landlock(7)`). Signals to processes outside are refused too where the kernel can do that.
///
pub fn read_only_but(writable: &[&Path]) -> Vec<Gap> {
    let abi = ABI::V6;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write: BitFlags<AccessFs> = AccessFs::from_all(abi) & !BitFlags::from(AccessFs::Execute);
    let root = match PathFd::new("/") {
        Ok(root) => root,
        Err(error) => return vec![Gap(format!("landlock: {error}"))],
    };
    let build = move || -> Result<RulesetStatus, landlock::RulesetError> {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(abi))?
            .scope(Scope::Signal)?
            .create()?
            .add_rule(PathBeneath::new(root, read))?;
        for path in writable {
            if let Ok(fd) = PathFd::new(path) {
                ruleset = ruleset.add_rule(PathBeneath::new(fd, write))?;
            }
        }
        Ok(ruleset.restrict_self()?.ruleset)
    };
    match build() {
        Ok(RulesetStatus::FullyEnforced) => Vec::new(),
        Ok(RulesetStatus::PartiallyEnforced) => {
            vec![Gap("landlock of this kernel is older than what we ask for".into())]
        }
        Ok(RulesetStatus::NotEnforced) => vec![Gap("this kernel has no landlock".into())],
        Err(error) => vec![Gap(format!("landlock: {error}"))],
    }
}
