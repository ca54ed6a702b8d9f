/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which destination a flow goes to: a hash of the client's address and port, and the slot of the ring it falls on.
 *
 * The virtual address and port are the same for all flows of a ring, so they are not hashed. The same arithmetic
 * stands in src/schedule/flow-hash.ts; a test compares the two on random flows.
 */
#pragma once

#include "maps.h"
#include "parse.h"

/* Odd constants with well-spread bits: 2^64 / golden ratio, and the second and third prime of xxHash64. */
#define FLOW_MULTIPLIER_1 0x9e3779b97f4a7c15ULL
#define FLOW_MULTIPLIER_2 0xc2b2ae3d27d4eb4fULL
#define FLOW_MULTIPLIER_3 0x165667b19e3779f9ULL

/* Multiply, fold, multiply: one round of murmur3's finaliser. The well-mixed bits are the upper ones. */
static __always_inline __u64 mix(__u64 value)
{
	value *= FLOW_MULTIPLIER_1;
	value ^= value >> 32;
	return value * FLOW_MULTIPLIER_2;
}

static __always_inline __u64 hash_flow_ipv4(const struct packet *packet)
{
	return mix((__u64)packet->ports->source << 32 | *(const __be32 *)packet->client);
}

/* The port is spread over the whole word first, or clients of one network would cancel it out with their addresses. */
static __always_inline __u64 hash_flow_ipv6(const struct packet *packet)
{
	const __u64 *words = packet->client;
	__u64 prefix = mix(words[0]);

	return mix(prefix ^ prefix >> 32 ^ (words[1] + packet->ports->source * FLOW_MULTIPLIER_3));
}

/*
 * The index of the destination that the flow goes to; 0 when the ring is empty.
 *
 * An empty ring is index 0 with shift 63, the pool's first two slots, which always hold 0, with destination 0 as the
 * first. So emptiness costs packets no branch of its own.
 */
static __always_inline __u32 pick(const struct destinations *table, const struct match *match, __u64 hash)
{
	/* Both numbers are known to the verifier when the program is loaded. */
	const __u16 *slots =
		(const void *)&table->entry[0] + (__u64)(geometry.destination_mask + 1) * sizeof(struct destination);

	__u32 slot = match->ring + (hash >> (match->shift & 63));
	KEEP_BOUNDS_CHECK(slot);
	return match->first + slots[slot & geometry.slot_mask];
}
