/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The rings, and the destinations that they lead to: a hash of the client's address and port, the slot it falls on, and
 * the destination that the slot leads to.
 *
 * The virtual address and port are the same for all flows of a ring, so they are not hashed. src/oracle/ring.ts has the
 * same arithmetic; a test compares the two on random flows.
 */
#pragma once

#include "delivery.h"
#include "hash.h"
#include "maps.h"

/* Returns the hash whose upper bits are the slot of a packet's flow. */
static __always_inline __u64 ring_hash(const struct packet *packet, bool is_ipv6)
{
	const __u64 *address = packet->client;

	return is_ipv6 ? ring_hash6(address[0], address[1], packet->ports->source)
		       : ring_hash4(*(const __be32 *)address, packet->ports->source);
}

/*
 * The three arrays of struct destinations begin one behind the other. Their lengths are known to the verifier, because
 * struct geometry is set when the program is loaded.
 */
static __always_inline const struct destination *entries_of(const struct destinations *table)
{
	return (const void *)table + offsetof(struct destinations, entry);
}

static __always_inline const struct destination *numbered_of(const struct destinations *table)
{
	return entries_of(table) + (__u64)geometry.destination_mask + 1;
}

static __always_inline const __u16 *slots_of(const struct destinations *table)
{
	return (const void *)entries_of(table) +
	       ((__u64)geometry.destination_mask + 1) * 2 * sizeof(struct destination);
}

static __always_inline const struct destination *destination_at(const struct destinations *table, __u32 index)
{
	KEEP_BOUNDS_CHECK(index);
	return &entries_of(table)[index & geometry.destination_mask];
}

/* Returns the destination with a number; one with number 0 when there is none, or it takes no packets. */
static __always_inline const struct destination *destination_numbered(const struct destinations *table, __u32 number)
{
	const struct destination *numbered = numbered_of(table);

	KEEP_BOUNDS_CHECK(number);
	return &numbered[number & geometry.destination_mask];
}

/* Returns the MAC of a destination's real server, or an enum no_mac: the lower 48 bits of its first word, shifted up.
 */
static __always_inline __u64 shifted_mac(const struct destination *destination)
{
	return *(const __u64 *)destination << 16;
}

/* Whether the real server is not resolved, and its flows wait for it. */
static __always_inline bool is_held(const struct destination *destination)
{
	return shifted_mac(destination) == (__u64)NO_MAC_HELD << 16;
}

/* Returns a word of the pool of slots. */
static __always_inline __u16 slot_at(const struct destinations *table, __u32 index)
{
	const __u16 *slots = slots_of(table);

	KEEP_BOUNDS_CHECK(index);
	return slots[index & geometry.slot_mask];
}

/* Returns the slot of its ring that a flow falls on. */
static __always_inline __u32 ring_slot(__u64 hash, __u8 shift)
{
	return hash >> (shift & 63);
}

static __always_inline __u32 slot_of(const struct packet *packet, const struct delivery *delivery)
{
	return ring_slot(ring_hash(packet, delivery->is_ipv6), delivery->match->shift);
}

/*
 * Returns the index of the destination that a slot leads to; 0 when the ring is empty.
 *
 * An empty ring is index 0 with shift 63, the pool's first two slots, which always hold 0, with destination 0 as the
 * first. So packets need no branch for it.
 */
static __always_inline __u32 destination_of_slot(const struct destinations *table, const struct match *match,
						 __u32 slot)
{
	return match->first + slot_at(table, match->ring + slot);
}

/* Whether a change touched a slot of a ring, so that some of its flows have entries. */
static __always_inline bool is_moved(const struct destinations *table, const struct match *match, __u32 slot)
{
	__u32 slots = 1U << (64 - match->shift & 31);

	return slot_at(table, match->ring + slots + slot) != SLOT_UNMOVED;
}
