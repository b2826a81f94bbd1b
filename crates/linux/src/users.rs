//! Who a script runs as: users and groups by name or number, through the system's own lookup
//! (`nsswitch.conf(5)`), so that directory services work where the C library does.
//!
//! Looked up when the configuration is loaded, not when a script starts: between fork and exec there
//! is no place for a lookup, and a directory service may be what just failed.

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// A user, a group and the supplementary groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// User number.
    pub uid: u32,
    /// Primary group number.
    pub gid: u32,
    /// Supplementary groups, the primary one among them.
    pub groups: Vec<u32>,
}

/// Why an identity could not be found.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UserError {
    /// There is no such user.
    #[error("there is no user `{0}`")]
    NoUser(String),
    /// There is no such group.
    #[error("there is no group `{0}`")]
    NoGroup(String),
    /// A user number that no name belongs to has no group of its own.
    #[error("user number {0} is not in the user database, so its group must be given too")]
    GroupNeeded(u32),
    /// The lookup itself failed.
    #[error("looking up `{name}`: {reason}")]
    Lookup {
        /// What was looked up.
        name: String,
        /// What the system said.
        reason: String,
    },
}

impl Identity {
    /// Finds a user, and a group if one is given, each by name or number; without one, the user's
    /// own. The supplementary groups are those the user is a member of.
    ///
    /// # Errors
    /// See [`UserError`].
    pub fn find(user: &str, group: Option<&str>) -> Result<Self, UserError> {
        let lookup = |name: &str, error: nix::Error| UserError::Lookup {
            name: name.to_owned(),
            reason: error.desc().to_owned(),
        };
        // A name may consist of digits: names come first, as chown(1) has it.
        let mut known = User::from_name(user).map_err(|error| lookup(user, error))?;
        let number = user.parse::<u32>().ok();
        if let (None, Some(uid)) = (&known, number) {
            known = User::from_uid(Uid::from_raw(uid)).map_err(|error| lookup(user, error))?;
        }
        let given = group.map(|group| find_group(group, &lookup)).transpose()?;
        match (known, number) {
            (Some(known), _) => {
                let gid = given.unwrap_or(known.gid);
                let name =
                    CString::new(known.name).map_err(|_| UserError::NoUser(user.to_owned()))?;
                let groups = getgrouplist(&name, gid).map_err(|error| lookup(user, error))?;
                let groups = groups.into_iter().map(Gid::as_raw).collect();
                Ok(Self { uid: known.uid.as_raw(), gid: gid.as_raw(), groups })
            }
            (None, Some(uid)) => {
                let gid = given.ok_or(UserError::GroupNeeded(uid))?.as_raw();
                Ok(Self { uid, gid, groups: vec![gid] })
            }
            (None, None) => Err(UserError::NoUser(user.to_owned())),
        }
    }
}

/// A user as accounts are spoken of: by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// What it is called.
    pub name: String,
    /// The names of the groups it belongs to.
    pub groups: Vec<String>,
}

/// The account of a user number; none if no name belongs to it.
#[must_use]
pub fn account(uid: u32) -> Option<Account> {
    let user = User::from_uid(Uid::from_raw(uid)).ok()??;
    let name = CString::new(user.name.as_str()).ok()?;
    let groups = getgrouplist(&name, user.gid).unwrap_or_default().into_iter();
    let groups = groups.filter_map(|gid| Group::from_gid(gid).ok()?).map(|group| group.name);
    Some(Account { name: user.name, groups: groups.collect() })
}

/// The number of a group.
#[must_use]
pub fn group(name: &str) -> Option<u32> {
    Group::from_name(name).ok()?.map(|group| group.gid.as_raw())
}

fn find_group(
    group: &str,
    lookup: &impl Fn(&str, nix::Error) -> UserError,
) -> Result<Gid, UserError> {
    match (Group::from_name(group).map_err(|error| lookup(group, error))?, group.parse()) {
        (Some(group), _) => Ok(group.gid),
        (None, Ok(gid)) => Ok(Gid::from_raw(gid)),
        (None, Err(_)) => Err(UserError::NoGroup(group.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_by_name_and_by_number() {
        let root = Identity::find("root", None).unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert_eq!(Identity::find("0", None).unwrap(), root);
    }

    #[test]
    fn an_account_has_a_name_and_the_names_of_its_groups() {
        let root = account(0).unwrap();
        assert_eq!(root.name, "root");
        assert!(root.groups.iter().any(|group| group == "root"));
        assert_eq!(group("root"), Some(0));
        assert_eq!((account(u32::MAX - 7), group("nobody of that name")), (None, None));
    }

    #[test]
    fn a_given_group_replaces_the_users_own() {
        let found = Identity::find("root", Some("12345")).unwrap();
        assert_eq!((found.uid, found.gid), (0, 12345));
        assert!(found.groups.contains(&12345));
    }

    #[test]
    fn what_does_not_exist_is_named() {
        let name = "no-such-name-here";
        assert_eq!(Identity::find(name, None), Err(UserError::NoUser(name.into())));
        assert_eq!(Identity::find("root", Some(name)), Err(UserError::NoGroup(name.into())));
        let uid = 4_000_000_001;
        assert_eq!(Identity::find("4000000001", None), Err(UserError::GroupNeeded(uid)));
        let found = Identity::find("4000000001", Some("7")).unwrap();
        assert_eq!(found, Identity { uid, gid: 7, groups: vec![7] });
    }
}
