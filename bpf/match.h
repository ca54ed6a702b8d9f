/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Finds the service that a packet is for: looks (address, port, protocol) up in a two-choice hash.
 */
#pragma once

#include "maps.h"
#include "parse.h"

/*
 * The facts about a matched service that the rest of the path needs: the end of its entry. They are read there when
 * they are needed, because the registers are too few to carry them along (2 ns).
 */
struct match {
	__u32 first;
	__u32 ring;
	__u16 number;
	__u8 shift;
	__u8 flags;
};

_Static_assert(offsetof(struct service4, flags) - offsetof(struct service4, first) == offsetof(struct match, flags) &&
		       offsetof(struct service6, flags) - offsetof(struct service6, first) ==
			       offsetof(struct match, flags),
	       "both kinds of entries end with struct match");

/*
 * The key as the table holds it: one word for IPv4 (address, port, protocol, zero in memory order), two and a half for
 * IPv6. Reading it as words instead of fields saves the shifts and two comparisons.
 */
union key4 {
	struct {
		__be32 address;
		__be16 port;
		__u8 protocol;
		__u8 zero;
	};
	__u64 word;
};

union key6 {
	struct {
		__be32 address[4];
		__be16 port;
		__u8 protocol;
		__u8 zero;
	};
	struct {
		__u64 words[2];
		__u32 half;
	};
};

/* Reads the address as words: of struct in6_addr, which promises no alignment, clang would read halves. */
static __always_inline union key6 ipv6_key(const struct ipv6hdr *ip6, __be16 port, __u8 protocol)
{
	const __u64 *destination = (const __u64 *)&ip6->daddr;
	union key6 key = {.port = port, .protocol = protocol};

	key.words[0] = destination[0];
	key.words[1] = destination[1];
	return key;
}

/*
 * Looks a key up. NULL when it is not there.
 *
 * The two multiplications do not wait for each other, nor do the two loads. The index needs no mask: a 64-bit value
 * shifted right by 64 - n is below 2^n, and the verifier knows it too because the shift is a load-time constant.
 */
static __always_inline const struct match *match_ipv4(const struct services4 *services, union key4 key)
{
	const struct service4 *entry = &services->entry[key.word * services->multiplier[0] >> geometry.services4_shift];

	if (*(const __u64 *)entry != key.word) {
		entry = &services->entry[key.word * services->multiplier[1] >> geometry.services4_shift];
		if (*(const __u64 *)entry != key.word)
			return NULL;
	}
	KEEP_POINTER(entry);
	return (const struct match *)&entry->first;
}

static __always_inline bool same_key6(const struct service6 *entry, const union key6 *key)
{
	const union key6 *other = (const union key6 *)entry;
	__u64 difference = (other->words[0] ^ key->words[0]) | (other->words[1] ^ key->words[1]);

	return (difference | (other->half ^ key->half)) == 0;
}

/* The same for IPv6. Folds the key into one word before it hashes it. */
static __always_inline const struct match *match_ipv6(const struct services6 *services, const union key6 *key)
{
	__u64 first = services->multiplier[0], second = services->multiplier[1];
	__u64 folded = (key->words[0] * first ^ key->words[1]) * second ^ key->half;
	folded ^= folded >> 32;

	const struct service6 *entry = &services->entry[folded * first >> geometry.services6_shift];
	if (!same_key6(entry, key)) {
		entry = &services->entry[folded * second >> geometry.services6_shift];
		if (!same_key6(entry, key))
			return NULL;
	}
	KEEP_POINTER(entry);
	return (const struct match *)&entry->first;
}

/* Whether an address, hashed by one multiplication, may be a VIP: the upper 12 bits of the product are a bit's number.
 */
static __always_inline bool may_be_vip(const __u64 *filter, __u64 address, __u64 multiplier)
{
	__u64 hash = address * multiplier;

	return filter[hash >> 58] >> (hash >> 52 & 63) & 1;
}

/* The key of either family. In all that follows `is_ipv6` is a constant. */
union key {
	union key4 ipv4;
	union key6 ipv6;
};

static __always_inline union key key_of(const struct packet *packet, __be16 port, __u8 protocol, bool is_ipv6)
{
	if (is_ipv6)
		return (union key){.ipv6 = ipv6_key(packet->ip6, port, protocol)};
	return (union key){.ipv4 = {.address = packet->ip->daddr, .port = port, .protocol = protocol}};
}

/* Returns the table of services of a family; NULL, for the verifier, when there is none. */
static __always_inline const void *services_of(__u32 copy, bool is_ipv6)
{
	return is_ipv6 ? bpf_map_lookup_elem(&services6, &copy) : bpf_map_lookup_elem(&services4, &copy);
}

static __always_inline const struct match *match(const void *services, const union key *key, bool is_ipv6)
{
	return is_ipv6 ? match_ipv6(services, &key->ipv6) : match_ipv4(services, key->ipv4);
}

/* Returns the VIP's entry when the packet is for a VIP, else NULL. */
static __always_inline const struct match *match_vip(const void *services, const struct packet *packet, bool is_ipv6)
{
	const union key key = key_of(packet, 0, PROTOCOL_VIP, is_ipv6);
	const struct services4 *ipv4 = services;
	const struct services6 *ipv6 = services;
	const __u64 *words = key.ipv6.words;
	bool may_be = is_ipv6 ? may_be_vip(ipv6->vip_filter, words[0] ^ words[1], ipv6->multiplier[0])
			      : may_be_vip(ipv4->vip_filter, packet->ip->daddr, ipv4->multiplier[0]);

	return likely(!may_be) ? NULL : match(services, &key, is_ipv6);
}

/* The flag in a VIP's entry that says: a service for every port exists, for this packet's protocol. */
static __always_inline __u8 wildcard_flag(const struct packet *packet)
{
	return packet->protocol == IPPROTO_TCP ? SERVICE_WILDCARD_TCP : SERVICE_WILDCARD_UDP;
}

/* Returns the VIP's service for every port, or NULL. */
static __always_inline const struct match *match_wildcard(const void *services, const struct packet *packet,
							  const struct match *vip, bool is_ipv6)
{
	const union key key = key_of(packet, 0, packet->protocol, is_ipv6);

	return vip->flags & wildcard_flag(packet) ? match(services, &key, is_ipv6) : NULL;
}

/* Returns the service for exactly the packet's port, or NULL. */
static __always_inline const struct match *match_port(const void *services, const struct packet *packet, bool is_ipv6)
{
	const union key key = key_of(packet, packet->ports->destination, packet->protocol, is_ipv6);

	return match(services, &key, is_ipv6);
}
