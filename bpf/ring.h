/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The rings: a hash of the client's address and port, the slot it falls on, and the destination that the slot leads to.
 *
 * The virtual address and port are the same for all flows of a ring, so they are not hashed. src/oracle/ring.ts has the
 * same arithmetic; a test compares the two on random flows.
 */
#pragma once

#include "hash.h"
#include "maps.h"
#include "match.h"
#include "parse.h"

static __always_inline __u64 hash_flow_ipv4(const struct packet *packet)
{
	return ring_hash4(*(const __be32 *)packet->client, packet->ports->source);
}

static __always_inline __u64 hash_flow_ipv6(const struct packet *packet)
{
	const __u64 *words = packet->client;

	return ring_hash6(words[0], words[1], packet->ports->source);
}

static __always_inline const struct destination *destination_at(const struct destinations *table, __u32 index)
{
	KEEP_BOUNDS_CHECK(index);
	return &table->entry[index & geometry.destination_mask];
}

/* The destination of a number: nobody's, with number 0, when its owner takes no packets. */
static __always_inline const struct destination *destination_numbered(const struct destinations *table, __u32 number)
{
	/* The mask is known to the verifier when the program is loaded. */
	const struct destination *numbered = &table->entry[(__u64)geometry.destination_mask + 1];

	KEEP_BOUNDS_CHECK(number);
	return &numbered[number & geometry.destination_mask];
}

/* A word of the pool of slots. */
static __always_inline __u16 slot_at(const struct destinations *table, __u32 index)
{
	const __u16 *slots = (const void *)&table->entry[0] +
			     ((__u64)geometry.destination_mask + 1) * 2 * sizeof(struct destination);

	KEEP_BOUNDS_CHECK(index);
	return slots[index & geometry.slot_mask];
}

/* Where on its ring a flow falls. */
static __always_inline __u32 ring_slot(__u64 hash, __u8 shift)
{
	return hash >> (shift & 63);
}

/* Where on its ring a packet's flow falls. */
static __always_inline __u32 slot_of(const struct packet *packet, const struct delivery *delivery)
{
	return ring_slot(delivery->is_ipv6 ? hash_flow_ipv6(packet) : hash_flow_ipv4(packet), delivery->match->shift);
}

/*
 * The index of the destination that a slot leads to; 0 when the ring is empty.
 *
 * An empty ring is index 0 with shift 63, the pool's first two slots, which always hold 0, with destination 0 as the
 * first. So emptiness costs packets no branch of its own.
 */
static __always_inline __u32 pick(const struct destinations *table, const struct match *match, __u32 slot)
{
	return match->first + slot_at(table, match->ring + slot);
}

/* Whether a change touched a slot of a ring, so that some of its flows have entries. */
static __always_inline bool is_moved(const struct destinations *table, const struct match *match, __u32 slot)
{
	__u32 slots = 1U << (64 - match->shift & 31);

	return slot_at(table, match->ring + slots + slot) != SLOT_UNMOVED;
}
