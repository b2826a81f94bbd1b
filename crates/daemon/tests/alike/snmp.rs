//! SNMP as a management station sees it, for the cases that ask for it by `also snmp`: the traps that
//! arrive, and the tables of instances, groups and addresses through Debian's `snmpd`.
//!
//! Traps are compared subject by subject, since engines tell of a sync group before or after its
//! members; values that differ for a reason are left out here and told of in `tests/interop/snmp.rs`.

/// The master agent's and the trap receiver's configuration.
pub(crate) const CONF: [(&str, &str); 2] = [
    (
        "/run/lab/snmpd.conf",
        "rocommunity public 127.0.0.1\nmaster agentx\nagentXSocket unix:/run/lab/agentx\n\
         trap2sink 127.0.0.1 public\nagentaddress udp:127.0.0.1:161\n",
    ),
    ("/run/lab/trapd.conf", "disableAuthorization yes\n"),
];

/// Starts both.
pub(crate) const BEGINS: &str = "export MIBS=; \
     setsid /usr/sbin/snmptrapd -f -Lo -On -C -c /run/lab/trapd.conf --disableAuthorization=yes \
     udp:127.0.0.1:162 >/run/lab/traps 2>/dev/null & \
     n=0; until grep -q NET-SNMP /run/lab/traps || test $n -gt 200; do sleep 0.05; n=$((n+1)); done; \
     setsid /usr/sbin/snmpd -f -Lo -C -c /run/lab/snmpd.conf >/dev/null 2>&1 & \
     n=0; until test -S /run/lab/agentx || test $n -gt 200; do sleep 0.05; n=$((n+1)); done";

/// Shows what has arrived, and what is answered.
pub(crate) const SHOW: &str = "export MIBS=; cat /run/lab/traps; echo ==; \
     for t in 1.3.6.1.4.1.9586.100.5.2.1 1.3.6.1.4.1.9586.100.5.2.2 1.3.6.1.4.1.9586.100.5.2.3 \
     1.3.6.1.4.1.9586.100.5.2.6 1.3.6.1.2.1.207.1.1.1.1.6; do \
     snmpbulkwalk -v2c -c public -r 1 -t 2 -On 127.0.0.1 $t 2>/dev/null; done; true";

/// Which object says what a trap is.
const WHICH: &str = ".1.3.6.1.6.3.1.1.4.1.0 = OID: ";

/// Columns that differ: whether a member's interface is tracked, and whether its only VIP is advertised.
const DIFFERENT: &[&str] = &[".100.5.2.3.1.11.", ".100.5.2.6.1.11."];

/// Traps by subject, each subject's in their order; then objects.
pub(crate) fn seen(text: &str) -> Vec<String> {
    let (traps, objects) = text.split_once("==\n").expect("both are shown");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let trap = |line: &str| {
        let (_, told) = line.split_once(WHICH)?;
        let ours = [".1.3.6.1.4.1.9586.", ".1.3.6.1.2.1.68.", ".1.3.6.1.2.1.207."];
        ours.iter().any(|root| told.starts_with(root)).then(|| words(told))
    };
    let mut told: Vec<(String, String)> = traps
        .lines()
        .filter_map(trap)
        .map(|trap| {
            let mut words = trap.split(' ');
            let named = trap.split('"').nth(1).map(str::to_owned);
            let row = words.nth(1).unwrap_or_default().to_owned();
            // Link-local addresses are each node's own.
            let text = match trap.split_once("Hex-STRING: FE 80") {
                Some((before, _)) => before.to_owned(),
                None => trap.clone(),
            };
            (named.unwrap_or(row), text)
        })
        .collect();
    told.sort_by(|one, other| one.0.cmp(&other.0));
    let objects = objects
        .lines()
        .filter(|line| line.contains(" = ") && !line.contains("No Such"))
        .filter(|line| !DIFFERENT.iter().any(|column| line.contains(column)))
        .map(words);
    told.into_iter().map(|(_, trap)| trap).chain(objects).collect()
}
