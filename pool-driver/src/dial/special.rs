//! Addresses that are not on the public internet, or not any host's.
//!
//! A relay URL in somebody's event must not make us talk to the user's own network, so every address that is dialled for
//! one is looked up here first. The tables are the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its
//! successors), whole: also what they call globally reachable is no place for a relay. Multicast is added, and of IPv6
//! everything outside of global unicast. An address that stands for an IPv4 one by the well-known NAT64 prefix is as
//! public as that; every other form with an IPv4 address inside is refused.
//!
//! Never resolves, never allocates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The special-purpose range that an address is in; `None` for a public address.
pub(super) fn special(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => special_v4(ip),
        IpAddr::V6(ip) => special_v6(ip),
    }
}

/// A range: its first address, the length of its prefix in bits, and what it is for.
type Range<A> = (A, u32, &'static str);

fn special_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let within = |&&(first, prefix, _): &&Range<Ipv4Addr>| (ip.to_bits() ^ first.to_bits()).leading_zeros() >= prefix;
    V4.iter().find(within).map(|&(_, _, name)| name)
}

fn special_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let within = |&&(first, prefix, _): &&Range<Ipv6Addr>| (ip.to_bits() ^ first.to_bits()).leading_zeros() >= prefix;
    match V6.iter().find(within) {
        Some(&(first, _, _)) if first == NAT64 => {
            let [.., a, b, c, d] = ip.octets();
            special_v4(Ipv4Addr::new(a, b, c, d))
        }
        found => found.map(|&(_, _, name)| name),
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

/// The first of those that hold an address names it.
const V4: [Range<Ipv4Addr>; 19] = [
    (v4(0, 0, 0, 0), 32, "unspecified"),
    (v4(0, 0, 0, 0), 8, "this network"),
    (v4(10, 0, 0, 0), 8, "private"),
    (v4(100, 64, 0, 0), 10, "carrier-grade NAT"),
    (v4(127, 0, 0, 0), 8, "loopback"),
    (v4(169, 254, 0, 0), 16, "link-local"),
    (v4(172, 16, 0, 0), 12, "private"),
    (v4(192, 0, 0, 0), 24, "protocol assignments"),
    (v4(192, 0, 2, 0), 24, "documentation"),
    (v4(192, 31, 196, 0), 24, "AS112"),
    (v4(192, 52, 193, 0), 24, "AMT"),
    (v4(192, 88, 99, 0), 24, "6to4 relay anycast"),
    (v4(192, 168, 0, 0), 16, "private"),
    (v4(192, 175, 48, 0), 24, "AS112"),
    (v4(198, 18, 0, 0), 15, "benchmarking"),
    (v4(198, 51, 100, 0), 24, "documentation"),
    (v4(203, 0, 113, 0), 24, "documentation"),
    (v4(224, 0, 0, 0), 4, "multicast"),
    // Broadcast, 255.255.255.255, is the last of them.
    (v4(240, 0, 0, 0), 4, "reserved"),
];

const fn v6(a: u16, b: u16, c: u16, d: u16, e: u16, f: u16) -> Ipv6Addr {
    Ipv6Addr::new(a, b, c, d, e, f, 0, 0)
}

/// The well-known prefix of NAT64 (RFC 6052): the IPv4 address is in the last 32 bits.
const NAT64: Ipv6Addr = v6(0x64, 0xff9b, 0, 0, 0, 0);

/// The first of those that hold an address names it; the last three are all that is not global unicast (RFC 4291).
const V6: [Range<Ipv6Addr>; 24] = [
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (v6(0, 0, 0, 0, 0, 0), 96, "IPv4-compatible"),
    (v6(0, 0, 0, 0, 0, 0xffff), 96, "IPv4-mapped"),
    (v6(0, 0, 0, 0, 0xffff, 0), 96, "IPv4-translated"),
    (NAT64, 96, "NAT64"),
    // Which of its bits are an IPv4 address is the operator's choice (RFC 8215), so they can't be checked.
    (v6(0x64, 0xff9b, 1, 0, 0, 0), 48, "local-use NAT64"),
    (v6(0x100, 0, 0, 0, 0, 0), 64, "discard-only"),
    (v6(0x100, 0, 0, 1, 0, 0), 64, "dummy prefix"),
    (v6(0x2001, 0, 0, 0, 0, 0), 32, "Teredo"),
    (v6(0x2001, 2, 0, 0, 0, 0), 48, "benchmarking"),
    (v6(0x2001, 0, 0, 0, 0, 0), 23, "protocol assignments"),
    (v6(0x2001, 0xdb8, 0, 0, 0, 0), 32, "documentation"),
    (v6(0x2002, 0, 0, 0, 0, 0), 16, "6to4"),
    (v6(0x2620, 0x4f, 0x8000, 0, 0, 0), 48, "AS112"),
    (v6(0x3fff, 0, 0, 0, 0, 0), 20, "documentation"),
    (v6(0x5f00, 0, 0, 0, 0, 0), 16, "segment routing"),
    (v6(0xfc00, 0, 0, 0, 0, 0), 7, "unique local"),
    (v6(0xfe80, 0, 0, 0, 0, 0), 10, "link-local"),
    (v6(0xfec0, 0, 0, 0, 0, 0), 10, "site-local"),
    (v6(0xff00, 0, 0, 0, 0, 0), 8, "multicast"),
    (v6(0, 0, 0, 0, 0, 0), 3, "not global unicast"),
    (v6(0x4000, 0, 0, 0, 0, 0), 2, "not global unicast"),
    (v6(0x8000, 0, 0, 0, 0, 0), 1, "not global unicast"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn name(ip: &str) -> &'static str {
        special(ip.parse().unwrap()).unwrap_or("public")
    }

    /// Each range: what it is; the address below and what that is; its first and last; the one above and what that is.
    const TABLE: &str = "
        0.0.0.0/32: unspecified; -; 0.0.0.0 0.0.0.0; 0.0.0.1 this network
        0.0.0.0/8: this network; 0.0.0.0 unspecified; 0.0.0.1 0.255.255.255; 1.0.0.0 public
        10.0.0.0/8: private; 9.255.255.255 public; 10.0.0.0 10.255.255.255; 11.0.0.0 public
        100.64.0.0/10: carrier-grade NAT; 100.63.255.255 public; 100.64.0.0 100.127.255.255; 100.128.0.0 public
        127.0.0.0/8: loopback; 126.255.255.255 public; 127.0.0.0 127.255.255.255; 128.0.0.0 public
        169.254.0.0/16: link-local; 169.253.255.255 public; 169.254.0.0 169.254.255.255; 169.255.0.0 public
        172.16.0.0/12: private; 172.15.255.255 public; 172.16.0.0 172.31.255.255; 172.32.0.0 public
        192.0.0.0/24: protocol assignments; 191.255.255.255 public; 192.0.0.0 192.0.0.255; 192.0.1.0 public
        192.0.2.0/24: documentation; 192.0.1.255 public; 192.0.2.0 192.0.2.255; 192.0.3.0 public
        192.31.196.0/24: AS112; 192.31.195.255 public; 192.31.196.0 192.31.196.255; 192.31.197.0 public
        192.52.193.0/24: AMT; 192.52.192.255 public; 192.52.193.0 192.52.193.255; 192.52.194.0 public
        192.88.99.0/24: 6to4 relay anycast; 192.88.98.255 public; 192.88.99.0 192.88.99.255; 192.88.100.0 public
        192.168.0.0/16: private; 192.167.255.255 public; 192.168.0.0 192.168.255.255; 192.169.0.0 public
        192.175.48.0/24: AS112; 192.175.47.255 public; 192.175.48.0 192.175.48.255; 192.175.49.0 public
        198.18.0.0/15: benchmarking; 198.17.255.255 public; 198.18.0.0 198.19.255.255; 198.20.0.0 public
        198.51.100.0/24: documentation; 198.51.99.255 public; 198.51.100.0 198.51.100.255; 198.51.101.0 public
        203.0.113.0/24: documentation; 203.0.112.255 public; 203.0.113.0 203.0.113.255; 203.0.114.0 public
        224.0.0.0/4: multicast; 223.255.255.255 public; 224.0.0.0 239.255.255.255; 240.0.0.0 reserved
        240.0.0.0/4: reserved; 239.255.255.255 multicast; 240.0.0.0 255.255.255.255; -
        ::/128: unspecified; -; :: ::; ::1 loopback
        ::1/128: loopback; :: unspecified; ::1 ::1; ::2 IPv4-compatible
        ::/96: IPv4-compatible; ::1 loopback; ::2 ::ffff:ffff; ::1:0:0 not global unicast
        ::ffff:0:0/96: IPv4-mapped; ::fffe:f:f not global unicast; ::ffff:0:0 ::ffff:f:f; ::1:0:0:0 not global unicast
        ::ffff:0:0:0/96: IPv4-translated; ::fffe:f:f:f not global unicast; ::ffff:0:0:0 ::ffff:0:f:f; ::ffff:1:0:0 not global unicast
        64:ff9b:1::/48: local-use NAT64; 64:ff9b:0:f:f:f:f:f not global unicast; 64:ff9b:1:: 64:ff9b:1:f:f:f:f:f; 64:ff9b:2:: not global unicast
        100::/64: discard-only; ff:f:f:f:f:f:f:f not global unicast; 100:: 100:0:0:0:f:f:f:f; 100:0:0:1:: dummy prefix
        100:0:0:1::/64: dummy prefix; 100:0:0:0:f:f:f:f discard-only; 100:0:0:1:: 100:0:0:1:f:f:f:f; 100:0:0:2:: not global unicast
        2001::/32: Teredo; 2000:f:f:f:f:f:f:f public; 2001:: 2001:0:f:f:f:f:f:f; 2001:1:: protocol assignments
        2001:2::/48: benchmarking; 2001:1:f:f:f:f:f:f protocol assignments; 2001:2:: 2001:2:0:f:f:f:f:f; 2001:2:1:: protocol assignments
        2001::/23: protocol assignments; 2001:0:f:f:f:f:f:f Teredo; 2001:1:: 2001:1ff:f:f:f:f:f:f; 2001:200:: public
        2001:db8::/32: documentation; 2001:db7:f:f:f:f:f:f public; 2001:db8:: 2001:db8:f:f:f:f:f:f; 2001:db9:: public
        2002::/16: 6to4; 2001:f:f:f:f:f:f:f public; 2002:: 2002:f:f:f:f:f:f:f; 2003:: public
        2620:4f:8000::/48: AS112; 2620:4f:7fff:f:f:f:f:f public; 2620:4f:8000:: 2620:4f:8000:f:f:f:f:f; 2620:4f:8001:: public
        3fff::/20: documentation; 3ffe:f:f:f:f:f:f:f public; 3fff:: 3fff:fff:f:f:f:f:f:f; 3fff:1000:: public
        5f00::/16: segment routing; 5eff:f:f:f:f:f:f:f not global unicast; 5f00:: 5f00:f:f:f:f:f:f:f; 5f01:: not global unicast
        fc00::/7: unique local; fbff:f:f:f:f:f:f:f not global unicast; fc00:: fdff:f:f:f:f:f:f:f; fe00:: not global unicast
        fe80::/10: link-local; fe7f:f:f:f:f:f:f:f not global unicast; fe80:: febf:f:f:f:f:f:f:f; fec0:: site-local
        fec0::/10: site-local; febf:f:f:f:f:f:f:f link-local; fec0:: feff:f:f:f:f:f:f:f; ff00:: multicast
        ff00::/8: multicast; feff:f:f:f:f:f:f:f site-local; ff00:: f:f:f:f:f:f:f:f; -
        ::/3: not global unicast; ::ffff:ffff IPv4-compatible; ::1:0:0 1fff:f:f:f:f:f:f:f; 2000:: public
        4000::/2: not global unicast; 3fff:f:f:f:f:f:f:f public; 4000:: 7fff:f:f:f:f:f:f:f; 8000:: not global unicast
        8000::/1: not global unicast; 7fff:f:f:f:f:f:f:f not global unicast; 8000:: fbff:f:f:f:f:f:f:f; fc00:: unique local";

    #[test]
    fn every_range_ends_where_it_ends() {
        // `f` is a group of ones here, wherever it stands alone.
        let full = |ip: &str| {
            ip.split(':').map(|group| if group == "f" { "ffff" } else { group }).collect::<Vec<_>>().join(":")
        };
        let mut ranges = 0;
        for line in TABLE.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (range, rest) = line.split_once(": ").unwrap();
            let parts: Vec<_> = rest.split("; ").collect();
            let [of, below, within, above] = parts[..] else { panic!("{line}") };
            for ip in within.split(' ') {
                assert_eq!(name(&full(ip)), of, "{range} holds {ip}");
            }
            for (ip, of) in [below, above].into_iter().filter_map(|outside| outside.split_once(' ')) {
                assert_eq!(name(&full(ip)), of, "{ip} is outside of {range}");
            }
            ranges += 1;
        }
        // Of NAT64, below.
        assert_eq!(ranges, V4.len() + V6.len() - 1);
    }

    #[test]
    fn an_ipv4_address_behind_nat64_is_what_it_is() {
        for ip in ["0.0.0.0", "10.1.2.3", "127.0.0.1", "169.254.169.254", "192.168.0.1", "224.0.0.1", "255.255.255.255"]
        {
            assert_eq!(name(&format!("64:ff9b::{ip}")), name(ip), "{ip}");
            assert_ne!(name(&format!("64:ff9b::{ip}")), "public", "{ip}");
        }
        assert_eq!(name("64:ff9b::8.8.8.8"), "public");
        assert_eq!(name("64:ff9b::1:8.8.8.8"), "not global unicast");
        assert_eq!(name("64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff"), "not global unicast");
    }

    #[test]
    fn other_forms_with_a_public_ipv4_address_inside_are_refused() {
        for (ip, expected) in [
            ("::8.8.8.8", "IPv4-compatible"),
            ("::ffff:8.8.8.8", "IPv4-mapped"),
            ("::ffff:0:8.8.8.8", "IPv4-translated"),
            ("64:ff9b:1::8.8.8.8", "local-use NAT64"),
            ("2002:808:808::1", "6to4"),
            ("2001:0:808:808::1", "Teredo"),
        ] {
            assert_eq!(name(ip), expected, "{ip}");
        }
    }

    #[test]
    fn addresses_of_hosts_on_the_internet_are_public() {
        for ip in ["1.1.1.1", "8.8.8.8", "93.184.216.34", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450::1"] {
            assert_eq!(name(ip), "public", "{ip}");
        }
    }
}
