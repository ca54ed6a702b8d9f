/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which service a packet is for: (address, port, protocol) looked up in a two-choice hash.
 */
#pragma once

#include "maps.h"
#include "parse.h"

/*
 * What the rest of the path needs of a matched service: the end of its entry, read where it stands when it is needed,
 * since the registers are too few to carry it along (2 ns).
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
	       "struct match is how both kinds of entries end");

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

/* The words of an address are read as such: struct in6_addr promises clang no alignment, and it would read halves. */
static __always_inline union key6 ipv6_key(const struct ipv6hdr *ip6, __be16 port, __u8 protocol)
{
	const __u64 *destination = (const __u64 *)&ip6->daddr;
	union key6 key = {.port = port, .protocol = protocol};

	key.words[0] = destination[0];
	key.words[1] = destination[1];
	return key;
}

/*
 * Looks one key up; NULL when it is not there.
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
	return (const struct match *)&entry->first;
}

static __always_inline bool same_key6(const struct service6 *entry, const union key6 *key)
{
	const union key6 *other = (const union key6 *)entry;
	__u64 difference = (other->words[0] ^ key->words[0]) | (other->words[1] ^ key->words[1]);

	return (difference | (other->half ^ key->half)) == 0;
}

/* The same for IPv6; the key is folded into one word before it is hashed. */
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
	return (const struct match *)&entry->first;
}

/* Whether an address, hashed by one multiplication, may be a VIP: the upper 12 bits of the product number a bit. */
static __always_inline bool may_be_vip(const __u64 *filter, __u64 address, __u64 multiplier)
{
	__u64 hash = address * multiplier;

	return filter[hash >> 58] >> (hash >> 52 & 63) & 1;
}

static __always_inline bool may_be_vip_ipv4(const struct services4 *services, __be32 address)
{
	return may_be_vip(services->vip_filter, address, services->multiplier[0]);
}

static __always_inline bool may_be_vip_ipv6(const struct services6 *services, const __u64 address[2])
{
	return may_be_vip(services->vip_filter, address[0] ^ address[1], services->multiplier[0]);
}
