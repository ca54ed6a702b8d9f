/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Later fragments have no ports. Those of the first fragment are remembered for a while, so that all go the same way:
 * two bounded, set-associative tables that all CPUs read and write without a lock.
 */
#pragma once

#include "effect.h"
#include "maps.h"
#include "parse.h"
#include "walk.h"
#include "hash.h"

/*
 * Returns the time in 8 bits. After 256 units an old entry is recent again, which does no harm: the real server drops
 * fragments that it cannot put together.
 */
static __always_inline __u8 fragment_time(void)
{
	return bpf_jiffies64() >> clock_shift;
}

static __always_inline bool is_recent(__u8 then, __u8 now)
{
	return (__u8)(now - then) <= FRAGMENT_SECONDS;
}

static __always_inline __u32 ports_word(const struct ports *ports)
{
	return (__u32)ports->destination << 16 | ports->source;
}

static __always_inline struct ports ports_of(__u32 word)
{
	return (struct ports){.source = word, .destination = word >> 16};
}

/* Returns the index of a bucket's entry. Kernel 6.1's verifier forgets the bounds of sums that are not masked. */
static __always_inline __u32 fragment_entry(__u32 bucket, __u32 way)
{
	__u32 index = bucket + way;

	KEEP_BOUNDS_CHECK(index);
	return index & ((FRAGMENT_WAYS << FRAGMENT_BITS) - 1);
}

/*
 * A packet's kind: the protocol of its flow, and the bit of an ICMP error, whose later fragments go where the first one
 * went and nowhere else: they do not have the client of the quoted packet.
 */
#define FRAGMENT_OF_ERROR 0x10000

static __always_inline void take_kind(struct packet *packet, __u32 kind)
{
	packet->protocol = kind;
	packet->by_first = kind & FRAGMENT_OF_ERROR;
}

/* Returns the index where a packet's bucket begins. */
static __always_inline __u32 fragment_bucket(__u64 hash)
{
	return (hash >> (64 - FRAGMENT_BITS)) * FRAGMENT_WAYS;
}

/*
 * The lower three bytes of the second word belong to the key: id and protocol. Then the time, then the ports. The third
 * word is the number of the first fragment's destination, and its kind; the first is XORed with both.
 */
#define FRAGMENT4_KEY 0xffffffULL

struct fragment4_key {
	__u64 addresses;
	__u64 rest;
};

static __always_inline struct fragment4_key fragment4_key(const struct iphdr *ip)
{
	return (struct fragment4_key){
		.addresses = (__u64)ip->daddr << 32 | ip->saddr,
		.rest = (__u64)ip->protocol << 16 | ip->id,
	};
}

static __always_inline bool find_fragment4(const struct iphdr *ip, struct ports *ports, __u32 *kind, __u32 *went)
{
	__u32 zero = 0;
	const struct fragments4 *table = bpf_map_lookup_elem(&fragments4, &zero);
	if (!table)
		return false;

	const struct fragment4_key key = fragment4_key(ip);
	__u32 bucket = fragment_bucket(fragment4_hash(key.addresses, key.rest, hash_secret));
	__u8 now = fragment_time();
	for (__u32 way = 0; way < FRAGMENT_WAYS; way++) {
		const volatile struct fragment4 *entry = &table->entry[fragment_entry(bucket, way)];
		__u64 second = entry->words[1], third = entry->words[2];

		if ((second & FRAGMENT4_KEY) == key.rest && (entry->words[0] ^ second ^ third) == key.addresses &&
		    is_recent(second >> 24, now)) {
			*ports = ports_of(second >> 32);
			*went = third;
			*kind = third >> 32;
			return true;
		}
	}
	return false;
}

/* Remembers a first fragment's ports: in its own entry, in a free one, or in that of the oldest packet. */
static __noinline void store_fragment4(const struct iphdr *ip, const struct ports *ports, __u64 third)
{
	__u32 zero = 0;
	struct fragments4 *table = bpf_map_lookup_elem(&fragments4, &zero);
	if (!table)
		return;

	const struct fragment4_key key = fragment4_key(ip);
	__u32 bucket = fragment_bucket(fragment4_hash(key.addresses, key.rest, hash_secret));
	__u8 now = fragment_time(), oldest = 0;
	__u32 chosen = 0;
	for (__u32 way = 0; way < FRAGMENT_WAYS; way++) {
		const volatile struct fragment4 *entry = &table->entry[fragment_entry(bucket, way)];
		__u64 second = entry->words[1];

		if ((second & FRAGMENT4_KEY) == key.rest &&
		    (entry->words[0] ^ second ^ entry->words[2]) == key.addresses) {
			chosen = way;
			break;
		}
		/* An entry that was never used counts as the oldest. */
		__u8 age = second ? now - (__u8)(second >> 24) : 255;
		if (way == 0 || age > oldest) {
			oldest = age;
			chosen = way;
		}
	}
	volatile struct fragment4 *entry = &table->entry[fragment_entry(bucket, chosen)];
	__u64 second = key.rest | (__u64)now << 24 | (__u64)ports_word(ports) << 32;
	SET(entry->words[0], key.addresses ^ second ^ third);
	SET(entry->words[1], second);
	SET(entry->words[2], third);
}

/* Words 0 to 3: the addresses. 4: id, ports. 5: protocol, time, the rest of the kind. 6: where the first went. 7: the
 * XOR of all others. */
struct fragment6_key {
	__u64 source[2];
	__u64 destination[2];
	__be32 id;
};

static __always_inline void fill_fragment6_key(struct fragment6_key *key, const struct ipv6hdr *ip6, __be32 id)
{
	const __u64 *source = (const __u64 *)&ip6->saddr, *destination = (const __u64 *)&ip6->daddr;

	key->source[0] = source[0];
	key->source[1] = source[1];
	key->destination[0] = destination[0];
	key->destination[1] = destination[1];
	key->id = id;
}

static __always_inline __u32 fragment6_bucket(const struct fragment6_key *key)
{
	return fragment_bucket(fragment6_hash(key->source, key->destination, key->id, hash_secret));
}

/* Whether an entry is whole and of this packet. Puts its words 4 to 6 into `rest`. */
static __always_inline bool is_fragment6(const volatile struct fragment6 *entry, const struct fragment6_key *key,
					 __u64 rest[3])
{
	__u64 source0 = entry->words[0], source1 = entry->words[1];
	__u64 destination0 = entry->words[2], destination1 = entry->words[3];

	rest[0] = entry->words[4];
	rest[1] = entry->words[5];
	rest[2] = entry->words[6];
	__u64 sum = source0 ^ source1 ^ destination0 ^ destination1 ^ rest[0] ^ rest[1] ^ rest[2];
	return ((source0 ^ key->source[0]) | (source1 ^ key->source[1]) | (destination0 ^ key->destination[0]) |
		(destination1 ^ key->destination[1]) | ((__u32)rest[0] ^ key->id) | (sum ^ entry->words[7])) == 0;
}

static __noinline bool find_fragment6(const struct ipv6hdr *ip6, __be32 id, struct ports *ports, __u32 *kind,
				      __u32 *went)
{
	__u32 zero = 0;
	const struct fragments6 *table = bpf_map_lookup_elem(&fragments6, &zero);
	if (!table)
		return false;

	struct fragment6_key key;
	fill_fragment6_key(&key, ip6, id);
	__u32 bucket = fragment6_bucket(&key);
	__u8 now = fragment_time();
	for (__u32 way = 0; way < FRAGMENT_WAYS; way++) {
		__u64 rest[3];

		if (is_fragment6(&table->entry[fragment_entry(bucket, way)], &key, rest) &&
		    is_recent(rest[1] >> 8, now)) {
			*ports = ports_of(rest[0] >> 32);
			*kind = rest[1] & ~0xff00U;
			*went = rest[2];
			return true;
		}
	}
	return false;
}

static __noinline void store_fragment6(const struct ipv6hdr *ip6, __be32 id, const struct ports *ports, __u32 kind,
				       __u32 went)
{
	__u32 zero = 0;
	struct fragments6 *table = bpf_map_lookup_elem(&fragments6, &zero);
	if (!table)
		return;

	struct fragment6_key key;
	fill_fragment6_key(&key, ip6, id);
	__u32 bucket = fragment6_bucket(&key);
	__u8 now = fragment_time(), oldest = 0;
	__u32 chosen = 0;
	for (__u32 way = 0; way < FRAGMENT_WAYS; way++) {
		__u64 rest[3];

		if (is_fragment6(&table->entry[fragment_entry(bucket, way)], &key, rest)) {
			chosen = way;
			break;
		}
		__u8 age = rest[1] ? now - (__u8)(rest[1] >> 8) : 255;
		if (way == 0 || age > oldest) {
			oldest = age;
			chosen = way;
		}
	}
	volatile struct fragment6 *entry = &table->entry[fragment_entry(bucket, chosen)];
	__u64 first = (__u64)ports_word(ports) << 32 | key.id, second = (__u64)now << 8 | kind;
	SET(entry->words[0], key.source[0]);
	SET(entry->words[1], key.source[1]);
	SET(entry->words[2], key.destination[0]);
	SET(entry->words[3], key.destination[1]);
	SET(entry->words[4], first);
	SET(entry->words[5], second);
	SET(entry->words[6], went);
	SET(entry->words[7],
	    key.source[0] ^ key.source[1] ^ key.destination[0] ^ key.destination[1] ^ first ^ second ^ went);
}

/* Whether a payload is ICMP of its family. */
static __always_inline bool is_icmp(const struct payload *payload, bool is_ipv6)
{
	return payload->protocol == (is_ipv6 ? IPPROTO_ICMP6 : IPPROTO_ICMP);
}

/* Remembers a first fragment's ports, and the number of its destination, or 0. `is_ipv6` is a constant. */
static __always_inline void store_fragment(const struct packet *packet, const struct payload *payload, __u32 went,
					   bool is_ipv6)
{
	__u32 kind = packet->protocol | is_icmp(payload, is_ipv6) * FRAGMENT_OF_ERROR;

	if (is_ipv6)
		store_fragment6(packet->ip6, payload->id, packet->ports, kind, went);
	else
		store_fragment4(packet->ip, packet->ports, went | (__u64)kind << 32);
}
