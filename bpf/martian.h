/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Sources that no packet from the network can have: the VIPs, the director's own addresses, loopback, multicast,
 * broadcast, "this network" (RFC 1812, 5.3.7). Linux drops such packets before IPVS sees them (fib_validate_source()
 * and ip_route_input_slow() in net/ipv4, ipv6_rcv() in net/ipv6). The host's own packets, which come by an interface of
 * their own, are let through where these are asked (is_from_host() in guard.h).
 */
#pragma once

#include <linux/in.h>

#include "delivery.h"
#include "match.h"

/*
 * Whether a client may be a martian: one look in a bitmap, since each packet without an entry pays for it. A flow's
 * entry needs none: no martian is ever stored.
 *
 * IPv4: the first byte chooses the word, and six bits of the last one the bit, so that a word says all of a network
 * like 127.0.0.0/8. IPv6: the last byte and six bits of the one before, and the networks beside the bitmap.
 */
static __always_inline bool may_be_martian(const void *client, const struct destinations *table, bool is_ipv6)
{
	if (is_ipv6) {
		const __u64 *words = client;

		return words[0] == 0 || (__u8)words[0] == 0xff ||
		       table->martians6[words[1] >> 56] >> (words[1] >> 48 & 63) & 1;
	}
	__u32 address = *(const __u32 *)client;

	return table->martians4[address & 0xff] >> (address >> 24 & 63) & 1;
}

/* Whether the tables of services have an address as a VIP or as one of the director's own. */
static __always_inline bool is_own(const void *services, union key *key, bool is_ipv6)
{
	__u8 *protocol = is_ipv6 ? &key->ipv6.protocol : &key->ipv4.protocol;

	*protocol = PROTOCOL_VIP;
	if (match(services, key, is_ipv6))
		return true;
	*protocol = PROTOCOL_OWN;
	return match(services, key, is_ipv6);
}

/* Global, as the next one, so that it is verified once and not at each call. */
__noinline int is_martian4(__be32 client, __u32 copy)
{
	const void *services = bpf_map_lookup_elem(&services4, &copy);
	union key key = {.ipv4 = {.address = client}};
	__u32 address = bpf_ntohl(client);

	return IN_LOOPBACK(address) || IN_MULTICAST(address) || address >> 24 == 0 || address == INADDR_BROADCAST ||
	       (services && is_own(services, &key, false));
}

/* `::` and `::1` are among the addresses of which the first 80 bits are zero, as those that stand for IPv4's are. */
__noinline int is_martian6(__u64 prefix, __u64 host, __u32 copy)
{
	const void *services = bpf_map_lookup_elem(&services6, &copy);
	union key key = {.ipv6 = {.words = {prefix, host}}};
	/* The host's half as a number. */
	__u64 number = bpf_be64_to_cpu(host);

	return (__u8)prefix == 0xff || (prefix == 0 && (number <= 1 || number >> 32 == 0xffff)) ||
	       (services && is_own(services, &key, true));
}

/* Whether a client cannot be: most are told by the bitmap alone. */
static __always_inline bool is_martian(const void *client, const struct destinations *table, __u32 copy, bool is_ipv6)
{
	const __u64 *words = client;

	if (likely(!may_be_martian(client, table, is_ipv6)))
		return false;
	return is_ipv6 ? is_martian6(words[0], words[1], copy) : is_martian4(*(const __be32 *)client, copy);
}
