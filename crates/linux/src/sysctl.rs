//! Kernel switches below `/proc/sys/net`, as a closed list: what is not here cannot be written, so
//! no caller's text ever becomes a path.

use std::fs;
use std::io;
use std::path::PathBuf;

use base::Name;

/// One switch, and what to set it to, in the calling thread's network namespace.
/// Meanings: `ip-sysctl` in the kernel's documentation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sysctl {
    /// `ipv4.conf.IF.promote_secondaries`: when a primary address goes, the next one of its subnet
    /// takes its place instead of going too.
    PromoteSecondaries(Name, bool),
    /// `ipv4.conf.IF.arp_ignore`, 0 to 2, and 8.
    ArpIgnore(Name, u8),
    /// `ipv4.conf.IF.arp_announce`, 0 to 2.
    ArpAnnounce(Name, u8),
    /// `ipv4.conf.IF.accept_local`: accept packets whose source is one of our own addresses.
    AcceptLocal(Name, bool),
    /// `ipv4.conf.IF.rp_filter`, 0 to 2.
    ReversePathFilter(Name, u8),
    /// `ipv6.conf.IF.accept_dad`: whether new IPv6 addresses are tried for duplicates first.
    AcceptDad(Name, bool),
    /// `ipv6.conf.IF.accept_ra`: whether routers may configure us.
    AcceptRa(Name, bool),
    /// `ipv6.conf.IF.disable_ipv6`.
    DisableIpv6(Name, bool),
    /// `ipv6.conf.IF.keep_addr_on_down`: addresses outlive that the interface goes down.
    KeepAddressesOnDown(Name, bool),
    /// `ipv4.igmp_link_local_mcast_reports`: membership of groups in 224.0.0.0/24 is reported.
    LocalIgmp(bool),
    /// `ipv4.ip_forward`.
    Forward4(bool),
    /// `ipv6.conf.all.forwarding`.
    Forward6(bool),
    /// `ipv4.ip_nonlocal_bind`.
    NonlocalBind4(bool),
}

impl Sysctl {
    /// Writes it.
    ///
    /// # Errors
    /// `InvalidInput` for a name that no interface can have; `NotFound` for an interface that does
    /// not exist; `PermissionDenied` without `CAP_NET_ADMIN`.
    pub fn write(&self) -> io::Result<()> {
        let (path, value) = self.path_and_value()?;
        fs::write(path, value.to_string())
    }

    /// What stands there now, whatever value this one would set.
    ///
    /// # Errors
    /// As for [`write`](Self::write); `InvalidData` if that is no small number.
    pub fn read(&self) -> io::Result<u8> {
        let (path, _) = self.path_and_value()?;
        let text = fs::read_to_string(path)?;
        text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
    }

    fn path_and_value(&self) -> io::Result<(PathBuf, u8)> {
        let (family, interface, key, value) = match self {
            Sysctl::PromoteSecondaries(on, value) => {
                ("ipv4", Some(on), "promote_secondaries", u8::from(*value))
            }
            Sysctl::ArpIgnore(on, value) => ("ipv4", Some(on), "arp_ignore", *value),
            Sysctl::ArpAnnounce(on, value) => ("ipv4", Some(on), "arp_announce", *value),
            Sysctl::AcceptLocal(on, value) => ("ipv4", Some(on), "accept_local", u8::from(*value)),
            Sysctl::ReversePathFilter(on, value) => ("ipv4", Some(on), "rp_filter", *value),
            Sysctl::AcceptDad(on, value) => ("ipv6", Some(on), "accept_dad", u8::from(*value)),
            Sysctl::AcceptRa(on, value) => ("ipv6", Some(on), "accept_ra", u8::from(*value)),
            Sysctl::DisableIpv6(on, value) => ("ipv6", Some(on), "disable_ipv6", u8::from(*value)),
            Sysctl::KeepAddressesOnDown(on, value) => {
                ("ipv6", Some(on), "keep_addr_on_down", u8::from(*value))
            }
            Sysctl::LocalIgmp(value) => {
                ("ipv4", None, "igmp_link_local_mcast_reports", u8::from(*value))
            }
            Sysctl::Forward4(value) => ("ipv4", None, "ip_forward", u8::from(*value)),
            Sysctl::Forward6(value) => ("ipv6", None, "conf/all/forwarding", u8::from(*value)),
            Sysctl::NonlocalBind4(value) => ("ipv4", None, "ip_nonlocal_bind", u8::from(*value)),
        };
        let mut path = PathBuf::from("/proc/sys/net").join(family);
        if let Some(interface) = interface {
            // dev_valid_name() of the kernel; what passes cannot leave the directory.
            let legal = (1..=15).contains(&interface.len())
                && !matches!(interface.as_str(), "." | "..")
                && !interface.contains(|c: char| c == '/' || c == ':' || c.is_whitespace());
            if !legal {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            path.extend(["conf", interface]);
        }
        path.push(key);
        Ok((path, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_name_cannot_become_another_path() {
        for bad in ["", ".", "..", "a/b", "../../kernel", "sixteen-letters-x", "a b"] {
            let error = Sysctl::AcceptDad(bad.into(), false).path_and_value().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{bad}");
        }
        let (path, value) = Sysctl::ArpIgnore("eth0.5".into(), 8).path_and_value().unwrap();
        assert_eq!(path, PathBuf::from("/proc/sys/net/ipv4/conf/eth0.5/arp_ignore"));
        assert_eq!(value, 8);
    }
}
