/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Stores flows: in a free entry, or in the place of the flow for which the least speaks. Changes entries.
 */
#pragma once

#include "flow_lookup.h"
#include "load.h"

static __always_inline struct flow_counter *flow_counter(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&flow_counters, &cpu);
}

/*
 * The order in which entries give way to a new flow; among equals the one first whose last packet is the longest ago.
 * A flood's flows stand below those of real clients, so that the flood displaces itself: it would have to send several
 * packets for each of its flows, and some of them later. A flow that lasts and sent a short time ago never gives way.
 */
enum standing {
	STANDING_FREE,
	STANDING_OVER,
	STANDING_BARE,  /* a TCP flow's handshake and no more, one datagram, one packet of a flow met in its middle */
	STANDING_YOUNG, /* two datagrams */
	STANDING_USED,  /* TCP went on after the handshake */
	STANDING_LASTING,
	STANDING_TAKEN, /* a CPU is writing the entry */
};

#define STANDING_SHIFT 32
#define STANDING_OF(state, standing) ((__u64)(standing) << 4 * (state))
#define STANDINGS                                                                                    \
	(STANDING_OF(FLOW_SYN_RECV, STANDING_BARE) | STANDING_OF(FLOW_UNCONFIRMED, STANDING_BARE) |  \
	 STANDING_OF(FLOW_UDP_NEW, STANDING_BARE) | STANDING_OF(FLOW_TEMPLATE_NEW, STANDING_BARE) |  \
	 STANDING_OF(FLOW_CLOSE, STANDING_OVER) | STANDING_OF(FLOW_TIME_WAIT, STANDING_OVER) |       \
	 STANDING_OF(FLOW_FIN_WAIT, STANDING_USED) | STANDING_OF(FLOW_UDP, STANDING_YOUNG) |         \
	 STANDING_OF(FLOW_ESTABLISHED, STANDING_USED) | STANDING_OF(FLOW_TEMPLATE, STANDING_YOUNG) | \
	 STANDING_OF(FLOW_BUSY, STANDING_TAKEN) | STANDING_OF(FLOW_UDP_LASTING, STANDING_LASTING) |  \
	 STANDING_OF(FLOW_ESTABLISHED_LASTING, STANDING_LASTING) |                                   \
	 STANDING_OF(FLOW_TEMPLATE_LASTING, STANDING_LASTING))

/*
 * Returns an entry's standing and then its youth as one number, without a branch: with branches for each entry of two
 * buckets the verifier would not come to an end.
 */
static __always_inline __u64 rank_of(__u64 data, __u32 now)
{
	__u32 state = flow_state(data);
	__s64 age = flow_age(data, now);
	/* Past its time, each becomes over or free. */
	__u64 expired = ((__s64)control.flow_timeouts[state] - age) >> 63;
	__u64 standing = (STANDINGS >> 4 * state & 15) & ~(expired & ~(__u64)STANDING_OVER);

	return standing << STANDING_SHIFT | (FLOW_TIME_MASK - age);
}

/* A flow that lasts keeps its entry for so many units after its last packet, also where all others last. */
#define FIRM_UNITS 60

/* Whether the entry with this rank does not give way. */
static __always_inline bool is_firm(__u64 rank)
{
	return rank > ((__u64)STANDING_LASTING << STANDING_SHIFT | (FLOW_TIME_MASK - FIRM_UNITS));
}

static __always_inline __u32 standing_of(__u64 rank)
{
	return rank >> STANDING_SHIFT;
}

/* An entry's rank and its way are one number: the entry with the lowest gives way. */
#define RANK_WAY_BITS 4

/* Returns the lower of two numbers, again without a branch for the verifier's sake. */
static __always_inline __u64 lower(__u64 one, __u64 other)
{
	__s64 difference = other - one, sign = difference >> 63;

	/* clang would make a branch of it. */
	asm volatile("" : "+r"(sign));
	return one + (difference & sign);
}

/* Returns how many of eight bits are set. */
static __always_inline __u32 count_bits(__u32 bits)
{
	bits -= bits >> 1 & 0x55;
	bits = (bits & 0x33) + (bits >> 2 & 0x33);
	return (bits + (bits >> 4)) & 15;
}

/* Returns the place of the lowest of eight bits, without a branch: three unpredictable branches would cost 8 ns. */
static __always_inline __u32 lowest_bit(__u32 bits)
{
	return count_bits((bits & -bits) - 1);
}

/* Returns a bit for each free entry of a bucket. */
static __always_inline __u32 vacancies(const volatile __u64 *bucket, __u32 words)
{
	__u32 vacant = 0;

#pragma unroll
	for (__u32 way = 0; way < ways_of(words); way++) {
		__u64 state = bucket[way * words + words - 1] & (__u64)FLOW_STATE_MASK << FLOW_STATE_SHIFT;

		vacant |= (state - 1) >> 63 << way;
	}
	return vacant;
}

/* Returns one of the entries that a flow can have: those of its first bucket, then of its second. */
static __always_inline volatile __u64 *entry_in(volatile __u64 *table, __u64 hash, __u32 extent, __u32 place,
						__u32 words)
{
	if (place & ways_of(words))
		hash = flow_second_hash(hash);
	return bucket_of(table, hash, extent, words) + (place & (ways_of(words) - 1)) * words;
}

/*
 * Returns a free entry of the first bucket while that has several, then of the emptier one: so few flows stand in their
 * second bucket, and those leave room where it is scarce. NULL when none is free.
 */
static __always_inline volatile __u64 *vacant_entry(volatile __u64 *table, __u64 hash, __u64 forced, __u32 words)
{
	__u32 extent = extent_of(words);
	__u32 vacant = vacancies(bucket_of(table, hash, extent, words), words), free = count_bits(vacant);

	if (unlikely(free <= ways_of(words) / 4)) {
		__u64 second = flow_second_hash(hash) | forced;
		__u32 others = vacancies(bucket_of(table, second, extent, words), words);

		if (count_bits(others) > free) {
			vacant = others;
			hash = second;
		}
		if (!vacant)
			return NULL;
	}
	/* The preferred entry if it is free, again without a branch. */
	__u32 preferred = preferred_way(hash, ways_of(words)), place = lowest_bit(vacant);

	place += (preferred - place) & -(vacant >> preferred & 1);
	return bucket_of(table, hash, extent, words) + (place & (ways_of(words) - 1)) * words;
}

/* Whether the entry that a flow gets first is free: while the table has room, true for most flows. */
static __always_inline bool is_preferred_free(volatile __u64 *table, __u64 hash, __u32 words)
{
	const volatile __u64 *bucket = bucket_of(table, hash, extent_of(words), words);
	const volatile __u64 *entry = bucket + preferred_way(hash, ways_of(words)) * words;

	return flow_state(entry[words - 1]) == FLOW_FREE;
}

/* Whether some entry that a flow can have is free or holds an ended flow. */
static __always_inline bool has_room(volatile __u64 *table, __u64 hash, __u32 words)
{
	__u32 extent = extent_of(words);
	const volatile __u64 *bucket = bucket_of(table, hash, extent, words);
	__u32 vacant = 0;

#pragma unroll
	for (__u32 place = 0; place < 2 * ways_of(words); place++) {
		if (place == ways_of(words))
			bucket = bucket_of(table, flow_second_hash(hash), extent, words);
		__u32 state = flow_state(bucket[(place & (ways_of(words) - 1)) * words + words - 1]);

		vacant |= (1U << FLOW_FREE | 1U << FLOW_CLOSE | 1U << FLOW_TIME_WAIT) >> state;
	}
	return vacant & 1;
}

/*
 * Returns which of the entries that a flow can have gives way first, and its rank. Among entries of the same second,
 * which a flood makes thousands of, bits of the hash draw: in a fixed order the newest would always go.
 */
static __always_inline __u32 pick_occupied(volatile __u64 *table, __u64 hash, __u32 extent, __u32 words, __u32 now,
					   __u64 *rank)
{
	__u64 best = ~0ULL >> 1, draw = hash >> 24 & (2 * ways_of(words) - 1);

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < 2 * ways_of(words); i++) {
		__u64 data = entry_in(table, hash, extent, i, words)[words - 1];

		best = lower(best, rank_of(data, now) << RANK_WAY_BITS | (i ^ draw));
	}
	*rank = best >> RANK_WAY_BITS;
	return (best & ((1U << RANK_WAY_BITS) - 1)) ^ draw;
}

/*
 * Makes the entry that gives way first busy, and returns it; `before` is its data. NULL when none gives way, or another
 * CPU was faster.
 */
static __always_inline volatile __u64 *displace_in(volatile __u64 *table, __u64 hash, __u32 words, __u32 now,
						   __u64 *before)
{
	__u32 extent = extent_of(words);
	__u64 rank = 0;
	__u32 place = pick_occupied(table, hash, extent, words, now, &rank);
	volatile __u64 *entry = entry_in(table, hash, extent, place, words);

	if (is_firm(rank))
		return NULL;
	*before = entry[words - 1];
	/* Another CPU may have changed it meanwhile. */
	if (flow_state(*before) == FLOW_BUSY || rank_of(*before, now) > rank)
		return NULL;
	return exchange(&entry[words - 1], *before, FLOW_DATA_BUSY) ? entry : NULL;
}

static __always_inline void write_entry(volatile __u64 *entry, const __u64 *key, __u32 words, __u64 data)
{
	SET(entry[0], key[0]);
	if (words == FLOW6_WORDS) {
		SET(entry[1], key[1]);
		SET(entry[2], key[2]);
	}
	SET(entry[words - 1], data);
	NOTE_BY(note_stored(data));
}

/* Whether flows that find no room have their spare buckets: see spare_hash(). */
static __always_inline bool is_growing(__u32 words)
{
	__u64 extents = extents_of(words);

	return extents >> 32 < (__u32)extents;
}

/*
 * Gives the table its largest extent, where flows find no room before the control plane made it larger; or turns back
 * where it is about to make it smaller. False when the table is as large as it can be, or flows of a smaller extent are
 * moved at present. The control plane moves them when it sees what happened here.
 */
static __always_inline bool enlarge(__u32 words)
{
	__u64 extents = extents_of(words), former = extents >> 32, present = (__u32)extents;
	__u64 next = former > present ? former : largest_extent(words);

	if (control.flows_held || former < present || next == present)
		return false;
	return exchange((volatile __u64 *)&control.flow_extents[words == FLOW6_WORDS], extents, present << 32 | next);
}

/* Stores a flow in a free entry of two buckets. False when there is none, or another CPU was faster. */
static __always_inline bool store_in(volatile __u64 *table, const __u64 *key, __u64 hash, __u64 forced, __u32 words,
				     __u64 data)
{
	struct flow_counter *counter = flow_counter();
	volatile __u64 *entry = vacant_entry(table, hash, forced, words);

	/* A free entry is all zero. */
	if (!entry || !counter || !exchange(&entry[words - 1], 0, FLOW_DATA_BUSY))
		return false;
	write_entry(entry, key, words, data);
	COUNT(counter->stored, 1);
	count_flow(flow_number(data), flow_state(data), 1);
	return true;
}

static __always_inline bool store_free(volatile __u64 *table, const __u64 *key, __u64 hash, __u32 words, __u64 data)
{
	return store_in(table, key, hash, 0, words, data);
}

/* Stores a flow in a free entry, or in the place of another where the table cannot be larger. False if none gives way.
 */
static __always_inline bool store_displacing(volatile __u64 *table, const __u64 *key, __u64 hash, __u32 words,
					     __u64 data, __u32 now)
{
	struct flow_counter *counter = flow_counter();
	__u64 before = 0;
	if (!counter)
		return false;
	if (enlarge(words) || is_growing(words)) {
		if (EXPLAINS) {
			NOTE_BY(note_stored(data));
			return true;
		}
		__u64 forced = 0, spare = hash;

#pragma clang loop unroll(disable)
		for (__u32 i = 0; i <= SPARE_HASHES; i++) {
			if (store_in(table, key, spare, forced, words, data))
				return true;
			forced = upper_half(extent_of(words));
			spare = spare_hash(spare, forced);
		}
	}

	volatile __u64 *entry = displace_in(table, hash, words, now, &before);
	if (!entry) {
		COUNT(counter->refused, 1);
		NOTE_STEP(TRACE_NO_ROOM);
		return false;
	}
	write_entry(entry, key, words, data);
	COUNT(counter->stored, 1);
	if (flow_state(before) != FLOW_FREE) {
		NOTE(displaced, before);
		count_flow(flow_number(before), flow_state(before), -1);
		COUNT(counter->evicted, standing_of(rank_of(before, now)) >= STANDING_BARE);
	}
	count_flow(flow_number(data), flow_state(data), 1);
	return true;
}

static __always_inline bool displace_flow_in(const struct flow_query *query, __u32 words, __u64 data)
{
	volatile __u64 *table = flow_table(words == FLOW6_WORDS);

	return table && store_displacing(table, query->words, query->flow_hash, words, data, query->now);
}

/* Stores the query's flow in the place of another. 0 when none gives way. */
__noinline int displace_flow(struct flow_query *query, __u64 data)
{
	if (!query)
		return 0;
	return query->is_ipv6 ? displace_flow_in(query, FLOW6_WORDS, data) : displace_flow_in(query, FLOW4_WORDS, data);
}

/*
 * Stores the query's flow, which has no entry. False when there is no room: all entries that it could have hold flows
 * that last and sent a short time ago.
 */
static __always_inline bool store_flow(struct flow_query *query, volatile __u64 *table, __u64 hash, __u32 words,
				       __u32 number, __u32 state)
{
	__u64 data = flow_data(query->port, number, state, query->now);

	return likely(store_free(table, query->words, hash, words, data)) || displace_flow(query, data);
}

/* Gives an entry another destination, state, or the present time, unless another CPU changed it meanwhile. */
static __always_inline void change_entry(volatile __u64 *entry, __u64 before, __u32 number, __u32 state, __u32 now)
{
	__u64 after = flow_data(flow_port(before), number, state, now);

	if (!entry || after == before || !exchange(entry, before, after))
		return;
	NOTE_BY(note_changed(after));
	if (number != flow_number(before) || flow_class(state) != flow_class(flow_state(before))) {
		count_flow(flow_number(before), flow_state(before), -1);
		count_flow(number, state, 1);
	}
}
