//! A filter for news of addresses: those which only say that an address lives on are not delivered.
//!
//! Whoever renews hundreds of lifetimes a second is told each time that the address is there, as is
//! everybody else who listens. To us it is no news: what was there still is, and when it goes that is told
//! in other words. Passed over by the kernel, it wakes nobody.
//!
//! IPv4 only: an IPv6 address may be told again because it is no longer tentative.

use std::time::Duration;

use socket2::SockFilter;

/// `RTM_NEWADDR` of `linux/rtnetlink.h`.
const NEW_ADDRESS: u16 = 20;
/// `IFA_CACHEINFO` of `linux/if_addr.h`.
const CACHE_INFO: u32 = 6;
/// Where a message has its kind and its family, and where attributes begin.
const KIND: u32 = 4;
const FAMILY: u32 = 16;
const ATTRIBUTES: u32 = 24;
/// From the beginning of that attribute to the seconds for which the address is valid.
const VALID: u32 = 8;
/// `SKF_AD_OFF + SKF_AD_NLATTR` of `linux/filter.h`: loading from there finds an attribute.
const FIND_ATTRIBUTE: u32 = 0xffff_f000 + 12;

const LOAD: u16 = 0x00;
const LOAD_HALF: u16 = 0x28;
const LOAD_OCTET: u16 = 0x30;
const LOAD_WORD: u16 = 0x20;
const LOAD_WORD_AT_INDEX: u16 = 0x40;
const LOAD_INDEX: u16 = 0x01;
const TO_INDEX: u16 = 0x07;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Lets everything through but that an IPv4 address is valid for `lifetime` from now.
pub(crate) fn without_renewals(lifetime: Duration) -> [SockFilter; 13] {
    // Messages are in the machine's order, and loads take them to be in the network's.
    let kind = u32::from(NEW_ADDRESS.to_be());
    let family = u32::try_from(libc::AF_INET).unwrap_or(2);
    let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX).to_be();
    let step = |code, value| SockFilter::new(code, 0, 0, value);
    // To the end, unless equal; which lets it through.
    let only = |to_end, value| SockFilter::new(JUMP_EQUAL, 0, to_end, value);
    [
        step(LOAD_HALF, KIND),
        only(10, kind),
        step(LOAD_OCTET, FAMILY),
        only(8, family),
        step(LOAD, ATTRIBUTES),
        step(LOAD_INDEX, CACHE_INFO),
        step(LOAD_WORD, FIND_ATTRIBUTE),
        SockFilter::new(JUMP_EQUAL, 4, 0, 0),
        step(TO_INDEX, 0),
        step(LOAD_WORD_AT_INDEX, VALID),
        only(1, seconds),
        step(RETURN, 0),
        step(RETURN, u32::MAX),
    ]
}

#[cfg(test)]
mod tests {
    use base::{AddressOp, Batch, KernelFact, Ticket, Vip};

    use super::*;
    use crate::addresses::Addresses;
    use crate::monitor::{Heard, Monitor};
    use crate::testing::{in_namespace, index, ip};

    const LIFETIME: Duration = Duration::from_secs(2);

    /// What is told of adding this with that lifetime.
    fn told(
        monitor: &mut Monitor,
        hands: &mut Addresses,
        ip: &str,
        lifetime: Option<Duration>,
    ) -> usize {
        let prefix = if ip.contains(':') { 128 } else { 32 };
        let mut vip = Vip::new(ip.parse().unwrap(), prefix, "va".into());
        vip.flags.lifetime = lifetime;
        let ops = vec![AddressOp::Add { index: index("va"), vip }];
        let done = hands.execute(Batch { ticket: Ticket::new(1), ops });
        assert_eq!(done.outcomes, [Ok(())]);
        std::thread::sleep(Duration::from_millis(50));
        let Heard::Facts(facts) = monitor.read().unwrap() else { panic!("overrun") };
        facts.iter().filter(|fact| matches!(fact, KernelFact::Address(_))).count()
    }

    #[test]
    fn that_an_address_lives_on_is_not_told_and_everything_else_is() {
        in_namespace(|| {
            ip("link add va type veth peer name vb");
            ip("link set va up");
            ip("link set vb up");
            let (mut monitor, mut hands) =
                (Monitor::open(Monitor::QUEUE).unwrap(), Addresses::open().unwrap());
            let mut add =
                |monitor: &mut Monitor, ip: &str, lifetime| told(monitor, &mut hands, ip, lifetime);
            let _ = monitor.read();
            assert_eq!(add(&mut monitor, "10.0.0.1", Some(LIFETIME)), 1, "without the filter");
            monitor.pass_over_renewals(LIFETIME).unwrap();
            assert_eq!(add(&mut monitor, "10.0.0.1", Some(LIFETIME)), 0);
            assert_eq!(add(&mut monitor, "10.0.0.1", Some(LIFETIME * 30)), 1);
            assert_eq!(add(&mut monitor, "10.0.0.1", None), 1);
            assert!(add(&mut monitor, "2001:db8::1", Some(LIFETIME)) > 0);
            ip("address del 10.0.0.1/32 dev va");
            std::thread::sleep(Duration::from_millis(50));
            let Heard::Facts(facts) = monitor.read().unwrap() else { panic!("overrun") };
            assert!(facts.iter().any(|fact| matches!(fact, KernelFact::AddressGone(_))));
        });
    }
}
