/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Looks flows up in their tables, one for IPv4 and one for IPv6: exact keys, two buckets for each flow. All CPUs read
 * and write the tables without a lock. hit_flow(), for the common case, makes no call.
 */
#pragma once

#include "delivery.h"
#include "effect.h"
#include "flow_entry.h"
#include "hash.h"
#include "maps.h"
#include "state.h"

/* Returns the time in units of about a second: a finer clock would cost 14 to 30 ns. */
static __always_inline __u32 flow_now(void)
{
	return bpf_jiffies64() >> clock_shift & FLOW_TIME_MASK;
}

/* Words of an entry: those of its key, and its data, the last. */
#define FLOW4_WORDS (sizeof(struct flow4) / sizeof(__u64))
#define FLOW6_WORDS (sizeof(struct flow6) / sizeof(__u64))

/* Entries of a bucket. */
static __always_inline __u32 ways_of(__u32 words)
{
	return words == FLOW4_WORDS ? WAYS_IPV4 : WAYS_IPV6;
}

/* The buckets of the whole table - 1. Known when the program is loaded. */
static __always_inline __u32 largest_extent(__u32 words)
{
	return words == FLOW4_WORDS ? geometry.flows4_mask : geometry.flows6_mask;
}

/*
 * Returns the extent of a table, and in the upper half the one before it: see struct control. It is as small as its
 * flows allow: a table that fits into the processor's cache costs a fifth of one that does not.
 */
static __always_inline __u64 extents_of(__u32 words)
{
	return *(volatile __u64 *)&control.flow_extents[words == FLOW6_WORDS];
}

/* The same without the one before. */
static __always_inline __u32 extent_of(__u32 words)
{
	return *(volatile __u32 *)&control.flow_extents[words == FLOW6_WORDS];
}

/* Returns the table of either family; NULL, for the verifier, when there is none. */
static __always_inline volatile __u64 *flow_table(bool is_ipv6)
{
	__u32 zero = 0;

	return is_ipv6 ? bpf_map_lookup_elem(&flows6, &zero) : bpf_map_lookup_elem(&flows4, &zero);
}

/*
 * Returns the index of the first entry of a hash's bucket in an extent. `words` is a constant here and in all functions
 * that follow.
 */
static __always_inline __u64 entry_index(__u64 hash, __u32 extent, __u32 words)
{
	/* The second mask is for the verifier. */
	return (hash >> 32 & extent & largest_extent(words)) * ways_of(words);
}

static __always_inline volatile __u64 *bucket_of(volatile __u64 *table, __u64 hash, __u32 extent, __u32 words)
{
	return table + entry_index(hash, extent, words) * words;
}

/* Zero when an entry has this key. */
static __always_inline __u64 key_differs(const volatile __u64 *entry, const __u64 *key, __u32 words)
{
	__u64 difference = entry[0] ^ key[0];

	if (words == FLOW6_WORDS)
		difference |= (entry[1] ^ key[1]) | (entry[2] ^ key[2]);
	return difference;
}

static __always_inline __u64 flow_hash(const __u64 *key, __u32 words)
{
	return words == FLOW4_WORDS ? flow4_hash(key[0], hash_secret) : flow6_hash(key[0], key[1], key[2], hash_secret);
}

/* Fills in the key of a packet's flow. */
static __always_inline void fill_flow_key(__u64 words[3], const struct packet *packet, const struct delivery *delivery)
{
	const __u64 *address = packet->client;
	__u16 service = delivery->match->number;

	if (delivery->is_ipv6) {
		words[0] = address[0];
		words[1] = address[1];
		words[2] = flow6_rest(packet->ports->source, service);
	} else {
		words[0] = flow4_key(*(const __u32 *)address, packet->ports->source, service);
	}
}

/* Returns the state that this packet does not change; FLOW_FREE when it may change any state. */
static __always_inline __u32 steady_state(const struct packet *packet)
{
	if (packet->digested)
		return packet->steady;
	if (packet->passive)
		return FLOW_FREE;
	if (!packet->tcp)
		return FLOW_UDP;
	return (tcp_flags(packet) & TCP_FLAGS_OF_STATE) == TCP_ACK ? FLOW_ESTABLISHED : FLOW_FREE;
}

/*
 * Returns the number of the destination of a flow whose entry needs no change: it is in the flow's first bucket of the
 * present extent, and has the port, state and time of `steady`. Else 0.
 *
 * Reads the data before the key and after it: when it is the same, both are of one flow.
 */
static __always_inline __u32 hit_flow(const volatile __u64 *table, const __u64 *key, __u32 words, __u64 steady)
{
	__u64 hash = flow_hash(key, words), data;
	const volatile __u64 *bucket = bucket_of((volatile __u64 *)table, hash, extent_of(words), words);
	const volatile __u64 *entry = bucket + preferred_way(hash, ways_of(words)) * words;

	data = entry[words - 1];
	if (unlikely(key_differs(entry, key, words))) {
		__u32 way = 0;

#pragma unroll
		for (entry = bucket; way < ways_of(words); way++, entry += words) {
			data = entry[words - 1];
			if (key_differs(entry, key, words) == 0)
				break;
		}
		if (way == ways_of(words))
			return 0;
	}
	NOTE(found, ((data ^ steady) & FLOW_STEADY_MASK) == 0 ? data : 0);
	return ((data ^ steady) & FLOW_STEADY_MASK) == 0 && entry[words - 1] == data ? flow_number(data) : 0;
}

/* Zero when an entry's data has this port, and is a template or not, as asked. */
static __always_inline __u64 differs(__u64 data, __u64 port, bool template)
{
	return (flow_port(data) ^ port) | (is_template(flow_state(data)) ^ template);
}

/* Returns the data of the entry with this index; NULL when there is none. */
static __always_inline volatile __u64 *data_at(__u64 index, __u32 words)
{
	volatile __u64 *table = flow_table(words == FLOW6_WORDS);

	KEEP_BOUNDS_CHECK(index);
	return table && index < ((__u64)largest_extent(words) + 1) * ways_of(words) ? table + index * words + words - 1
										    : NULL;
}

/* The bits of a hash that stand for the upper half of an extent: an extent before it ends below that. */
static __always_inline __u64 upper_half(__u32 extent)
{
	return (__u64)(extent - (extent >> 1)) << 32;
}

/* How many hashes take the place of a flow's own: then some of their buckets have room, also IPv6's of four entries. */
#define SPARE_HASHES 3

/*
 * Returns the next hash that takes the place of a flow's own, while other flows are moved to the present extent from
 * buckets that are full till then. Its two buckets are in the upper half of the extent, with `forced` bits.
 */
static __always_inline __u64 spare_hash(__u64 hash, __u64 forced)
{
	return flow_second_hash(flow_second_hash(hash)) | forced;
}

/*
 * Returns 1 + the index of a flow's entry in an extent, and its data in `found`; 0 when there is none. Both buckets
 * have the forced bits. Inlined, as the functions that store an entry are: calls were a third of the cost of a new
 * flow.
 */
static __always_inline __u32 find_within(volatile __u64 *table, const __u64 *key, __u64 hash, __u64 forced,
					 __u32 extent, __u32 words, __u64 port, bool template, __u64 *found)
{
#pragma unroll
	for (__u32 bucket = 0; bucket < 2; bucket++) {
		volatile __u64 *entry = bucket_of(table, hash, extent, words);
#pragma unroll
		for (__u32 way = 0; way < ways_of(words); way++, entry += words) {
			if (likely(key_differs(entry, key, words)))
				continue;
			__u64 data = entry[words - 1];

			/* The data was read before the key and after it: see hit_flow(). */
			if (is_live(flow_state(data)) && differs(data, port, template) == 0 &&
			    key_differs(entry, key, words) == 0 && entry[words - 1] == data) {
				*found = data;
				NOTE_BY(note_found(data, template));
				return entry_index(hash, extent, words) + way + 1;
			}
		}
		hash = flow_second_hash(hash) | forced;
	}
	return 0;
}

/* Whether flows stand where they have to be moved from. */
static __always_inline bool are_moving(__u64 extents)
{
	return (__u32)extents != extents >> 32;
}

/*
 * Returns what find_within() does, wherever a flow stands while flows are moved: looks first where they are moved from.
 * They stand in their own buckets before they leave others.
 */
static __always_inline __u32 find_moving_in(const __u64 *key, __u32 words, __u64 port, bool template, __u64 *found)
{
	volatile __u64 *table = flow_table(words == FLOW6_WORDS);
	__u64 hash = flow_hash(key, words), extents = extents_of(words), spare = hash;
	if (!table)
		return 0;

	__u32 index = find_within(table, key, hash, 0, extents >> 32, words, port, template, found);
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i <= SPARE_HASHES && !index; i++) {
		__u64 forced = i < SPARE_HASHES ? upper_half(extents) : 0;

		spare = i < SPARE_HASHES ? spare_hash(spare, forced) : hash;
		index = find_within(table, key, spare, forced, extents, words, port, template, found);
	}
	return index;
}
