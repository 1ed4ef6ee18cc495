//! By which addresses this machine is reached from its network.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where whoever listens at `listen` is reached.
#[must_use]
pub(crate) fn reached_by(listen: IpAddr) -> Vec<IpAddr> {
    if !listen.is_unspecified() {
        return vec![listen];
    }
    let (four, six) = (
        fs::read_to_string("/proc/net/fib_trie").unwrap_or_default(),
        fs::read_to_string("/proc/net/if_inet6").unwrap_or_default(),
    );
    addresses(&four, &six)
}

/// The machine's own addresses, as the kernel tells them; those of one link only are nothing a browser could be given.
fn addresses(fib_trie: &str, if_inet6: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut lines = fib_trie.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let address = line
            .strip_prefix("|-- ")
            .and_then(|text| text.parse::<Ipv4Addr>().ok());
        if let Some(address) = address
            && lines.peek() == Some(&"/32 host LOCAL")
            && !address.is_loopback()
        {
            found.push(IpAddr::from(address));
        }
    }
    for line in if_inet6.lines() {
        let digits = line.split_whitespace().next().unwrap_or_default();
        let Ok(bits) = u128::from_str_radix(digits, 16) else {
            continue;
        };
        let address = Ipv6Addr::from_bits(bits);
        if digits.len() == 32 && !address.is_loopback() && !address.is_unicast_link_local() {
            found.push(IpAddr::from(address));
        }
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIB_TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n        |-- 127.0.0.1\n           \
                            /32 host LOCAL\n     |-- 192.168.1.0\n        /24 link UNICAST\n     |-- 192.168.1.7\n        /32 host LOCAL\n     \
                            |-- 192.168.1.255\n        /32 link BROADCAST\nLocal:\n     |-- 192.168.1.7\n        /32 host LOCAL\n";
    const IF_INET6: &str = "fd000000000000000000000000000002 04 40 00 82 eth0\n00000000000000000000000000000001 01 80 10 80 lo\n\
                            fe8000000000000000fc00fffe000001 04 40 20 80 eth0\nnonsense\n";

    #[test]
    fn the_kernels_lists_are_read() {
        let wanted = ["192.168.1.7", "fd00::2"].map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!(addresses(FIB_TRIE, IF_INET6), wanted);
        let one = IpAddr::from([192, 168, 1, 7]);
        assert_eq!(reached_by(one), [one]);
    }
}
