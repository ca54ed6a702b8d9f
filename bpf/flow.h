/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The tables of flows, one for IPv4 and one for IPv6: exact keys, two buckets for each flow. Read and written by all
 * CPUs without a lock; what packets find in the common case, hit_flow(), takes no call.
 */
#pragma once

#include "effect.h"
#include "maps.h"
#include "state.h"

/* BTF holds only the types that something has: this is what brings the states' names to user space. */
const volatile enum flow_state flow_state_names = FLOW_FREE;

/* The time in units of about a second: reading a finer clock would cost 14 to 30 ns. */
static __always_inline __u32 flow_now(void)
{
	return bpf_jiffies64() >> clock_shift & FLOW_TIME_MASK;
}

static __always_inline struct load *load_of(__u32 number)
{
	__u32 zero = 0;
	struct loads *table = bpf_map_lookup_elem(&loads, &zero);

	KEEP_BOUNDS_CHECK(number);
	return table ? &table->entry[number & geometry.destination_mask] : NULL;
}

/* Counts a flow with its destination, or no longer. */
static __always_inline void count_flow(__u32 number, __u32 state, __s32 change)
{
	struct load *load = load_of(number);
	__u32 class = flow_class(state);

	/* Number 0: its destination is gone, and it was discounted then. */
	if (!load || !number || class >= FLOW_CLASS_COUNT)
		return;
	FETCH_AND_ADD(load->flows[class], change);
	/* ip_vs_bind_dest() in net/netfilter/ipvs/ip_vs_conn.c; the sweep takes it back. */
	if (change > 0 && unlikely(load->upper) &&
	    load->flows[FLOW_ACTIVE] + load->flows[FLOW_INACTIVE] + load->flows[FLOW_PERSISTENT] >= load->upper)
		SET(load->overload, 1);
}

static __always_inline struct flow_counter *flow_counter(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&flow_counters, &cpu);
}

/* Words of an entry: its key's, and its data, the last. */
#define FLOW4_WORDS (sizeof(struct flow4) / sizeof(__u64))
#define FLOW6_WORDS (sizeof(struct flow6) / sizeof(__u64))

/* Entries of a bucket. */
static __always_inline __u32 ways_of(__u32 words)
{
	return words == FLOW4_WORDS ? FLOW4_WAYS : FLOW6_WAYS;
}

/* Known when the program is loaded. */
static __always_inline __u64 buckets_of(__u32 words)
{
	return words == FLOW4_WORDS ? geometry.flows4_buckets : geometry.flows6_buckets;
}

/* A table of either family; NULL for none. */
static __always_inline volatile __u64 *flow_table(bool is_ipv6)
{
	__u32 zero = 0;

	return is_ipv6 ? bpf_map_lookup_elem(&flows6, &zero) : bpf_map_lookup_elem(&flows4, &zero);
}

/*
 * The first entry of a hash's bucket. Multiplied and shifted, a hash is spread over any number of buckets, and the
 * verifier follows. `words` is a constant wherever this is inlined, as in all that follows.
 */
static __always_inline __u64 entry_index(__u64 hash, __u32 words)
{
	__u64 bucket = (hash >> 32) * buckets_of(words) >> 32;

	/* Two shifts must not become one: the verifier would take the bucket's end for its beginning. */
	KEEP_BOUNDS_CHECK(bucket);
	return bucket * ways_of(words);
}

static __always_inline volatile __u64 *bucket_of(volatile __u64 *table, __u64 hash, __u32 words)
{
	return table + entry_index(hash, words) * words;
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
	return words == FLOW4_WORDS ? flow4_hash(key[0], flow_secret) : flow6_hash(key[0], key[1], key[2], flow_secret);
}

/*
 * The destination's number of a flow in whose entry nothing is to be changed: found in its first bucket, with `steady`
 * for port, state and time. 0 when that is not so.
 *
 * The data is read before the key and after it: when it is the same, no other flow's entry was read in between.
 */
static __always_inline __u32 hit_flow(const __u64 *key, __u32 words, __u64 steady)
{
	volatile __u64 *table = flow_table(words == FLOW6_WORDS);
	if (!table)
		return 0;

	__u64 hash = flow_hash(key, words), data;
	const volatile __u64 *bucket = bucket_of(table, hash, words);
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

/*
 * How readily an entry gives way to a new flow: never used, over, seen once; and then the longest ago first. What was
 * seen twice, and is not over, does not: whoever sends single packets under forged addresses displaces nobody.
 */
enum standing {
	STANDING_FREE,
	STANDING_OVER,
	STANDING_SEEN_ONCE,
	STANDING_FIRM,
};

#define STANDING_SHIFT 32
#define STANDING_OF(state, standing) ((__u64)(standing) << 2 * (state))
#define STANDINGS                                                                                             \
	(STANDING_OF(FLOW_SYN_RECV, STANDING_SEEN_ONCE) | STANDING_OF(FLOW_UNCONFIRMED, STANDING_SEEN_ONCE) | \
	 STANDING_OF(FLOW_UDP_NEW, STANDING_SEEN_ONCE) | STANDING_OF(FLOW_TEMPLATE_NEW, STANDING_SEEN_ONCE) | \
	 STANDING_OF(FLOW_CLOSE, STANDING_OVER) | STANDING_OF(FLOW_TIME_WAIT, STANDING_OVER) |                \
	 STANDING_OF(FLOW_FIN_WAIT, STANDING_FIRM) | STANDING_OF(FLOW_UDP, STANDING_FIRM) |                   \
	 STANDING_OF(FLOW_ESTABLISHED, STANDING_FIRM) | STANDING_OF(FLOW_TEMPLATE, STANDING_FIRM) |           \
	 STANDING_OF(FLOW_BUSY, STANDING_FIRM))

/*
 * An entry's standing and then its youth as one number, without a branch: with some for each entry of two buckets the
 * verifier would not come to an end.
 */
static __always_inline __u64 rank_of(__u64 data, __u32 now)
{
	__u32 state = flow_state(data);
	__s64 age = flow_age(data, now);
	/* Past its time, firm becomes over and seen once becomes free. */
	__u64 expired = ((__s64)control.flow_timeouts[state] - age) >> 63;
	__u64 standing = (STANDINGS >> 2 * state & 3) & ~(expired & 2);

	return standing << STANDING_SHIFT | (FLOW_TIME_MASK - age);
}

/* `copy` by value: kernel 6.1 takes no key that lies in what a global function was given a pointer to. */
static __always_inline const struct policy *policy_of(__u32 service, __u32 copy)
{
	const struct policies *table = bpf_map_lookup_elem(&policies, &copy);

	KEEP_BOUNDS_CHECK(service);
	return table ? &table->entry[service & geometry.service_mask] : NULL;
}

/* What tells one entry from another. */
struct flow_key {
	__u64 words[3]; /* IPv4: the first alone */
	__u64 port;     /* the virtual one, as in the packet; 0 in a template */
	bool template;
};

/* Zero when an entry's data is of this port, and a template as the key is. */
static __always_inline __u64 differs(__u64 data, __u64 port, bool template)
{
	return (flow_port(data) ^ port) | (is_template(flow_state(data)) ^ template);
}

/* An entry's data, by the number of the entry in its table. */
static __always_inline volatile __u64 *data_at(__u64 index, __u32 words)
{
	volatile __u64 *table = flow_table(words == FLOW6_WORDS);

	KEEP_BOUNDS_CHECK(index);
	return table && index < buckets_of(words) * ways_of(words) ? table + index * words + words - 1 : NULL;
}

/*
 * The number of a flow's entry in its table and 1, and its data; 0 when there is none. Inlined, as what stores one is:
 * of what a new flow costs, calls were a third.
 */
static __always_inline __u32 find_in(volatile __u64 *table, const __u64 *key, __u64 hash, __u32 words, __u64 port,
				     bool template, __u64 *found)
{
#pragma unroll
	for (__u32 bucket = 0; bucket < 2; bucket++) {
		volatile __u64 *entry = bucket_of(table, hash, words);
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
				return entry_index(hash, words) + way + 1;
			}
		}
		hash = flow_second_hash(hash);
	}
	return 0;
}

static __always_inline __u32 standing_of(__u64 rank)
{
	return rank >> STANDING_SHIFT;
}

/* An entry's way and what it ranks as, as one number: the lowest is to be taken. */
#define RANK_WAY_BITS 4

/* The lower one of two, without a branch, again for the verifier's sake. */
static __always_inline __u64 lower(__u64 one, __u64 other)
{
	__s64 difference = other - one, sign = difference >> 63;

	/* clang would make a branch of it. */
	asm volatile("" : "+r"(sign));
	return one + (difference & sign);
}

/* How many of eight bits are set. */
static __always_inline __u32 count_bits(__u32 bits)
{
	bits -= bits >> 1 & 0x55;
	bits = (bits & 0x33) + (bits >> 2 & 0x33);
	return (bits + (bits >> 4)) & 15;
}

/* The place of the lowest of eight bits, without a branch: three that nobody can predict would cost 8 ns. */
static __always_inline __u32 lowest_bit(__u32 bits)
{
	return count_bits((bits & -bits) - 1);
}

/* A bit for each entry of a bucket that is free. */
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

/* One of the entries that a flow can have: of its first bucket, then of its second. */
static __always_inline volatile __u64 *entry_in(volatile __u64 *table, __u64 hash, __u32 place, __u32 words)
{
	if (place & ways_of(words))
		hash = flow_second_hash(hash);
	return bucket_of(table, hash, words) + (place & (ways_of(words) - 1)) * words;
}

/*
 * A free entry of the first bucket while that has several, then of the emptier one: so few flows stand in their second
 * bucket, and those that do leave room where it is scarce. NULL when none is free.
 */
static __always_inline volatile __u64 *vacant_entry(volatile __u64 *table, __u64 hash, __u32 words)
{
	__u32 vacant = vacancies(bucket_of(table, hash, words), words), free = count_bits(vacant);

	if (unlikely(free <= ways_of(words) / 4)) {
		__u64 second = flow_second_hash(hash);
		__u32 others = vacancies(bucket_of(table, second, words), words);

		if (count_bits(others) > free) {
			vacant = others;
			hash = second;
		}
		if (!vacant)
			return NULL;
	}
	/* The preferred one if it is free, and again no branch. */
	__u32 preferred = preferred_way(hash, ways_of(words)), place = lowest_bit(vacant);

	place += (preferred - place) & -(vacant >> preferred & 1);
	return bucket_of(table, hash, words) + (place & (ways_of(words) - 1)) * words;
}

/* Which of the entries that a flow can have gives way first; `standing` is what it was when it was looked at. */
static __always_inline __u32 pick_occupied(volatile __u64 *table, __u64 hash, __u32 words, __u32 now, __u32 *standing)
{
	__u64 best = ~0ULL >> 1;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < 2 * ways_of(words); i++) {
		__u64 data = entry_in(table, hash, i, words)[words - 1];

		best = lower(best, rank_of(data, now) << RANK_WAY_BITS | i);
	}
	*standing = standing_of(best >> RANK_WAY_BITS);
	return best & ((1U << RANK_WAY_BITS) - 1);
}

/*
 * Makes an entry that another flow has busy: that of whoever gives way first. NULL when all are of flows that were seen
 * twice and are not over, or another CPU was faster; else what its data was.
 */
static __always_inline volatile __u64 *displace_in(volatile __u64 *table, __u64 hash, __u32 words, __u32 now,
						   __u64 *before)
{
	__u32 standing = STANDING_FREE;
	volatile __u64 *entry = entry_in(table, hash, pick_occupied(table, hash, words, now, &standing), words);

	if (standing >= STANDING_FIRM)
		return NULL;
	*before = entry[words - 1];
	/* Something may have happened to it meanwhile. */
	if (flow_state(*before) == FLOW_BUSY || standing_of(rank_of(*before, now)) > standing)
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

/* Remembers a flow where an entry is free. False when none is, or another CPU was faster. */
static __always_inline bool store_free(volatile __u64 *table, const __u64 *key, __u64 hash, __u32 words, __u64 data)
{
	struct flow_counter *counter = flow_counter();
	volatile __u64 *entry = vacant_entry(table, hash, words);

	/* What is free is all zero. */
	if (!entry || !counter || !exchange(&entry[words - 1], 0, FLOW_DATA_BUSY))
		return false;
	write_entry(entry, key, words, data);
	COUNT(counter->stored, 1);
	count_flow(flow_number(data), flow_state(data), 1);
	return true;
}

/* The same in another's place. */
static __always_inline bool store_displacing(volatile __u64 *table, const __u64 *key, __u64 hash, __u32 words,
					     __u64 data, __u32 now)
{
	struct flow_counter *counter = flow_counter();
	__u64 before = 0;
	if (!counter)
		return false;

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
		COUNT(counter->evicted, standing_of(rank_of(before, now)) >= STANDING_SEEN_ONCE);
	}
	count_flow(flow_number(data), flow_state(data), 1);
	return true;
}

static __always_inline bool displace_flow_in(const struct flow_query *query, __u32 words, __u64 data)
{
	volatile __u64 *table = flow_table(words == FLOW6_WORDS);

	return table && store_displacing(table, query->words, flow_hash(query->words, words), words, data, query->now);
}

/* Remembers the query's flow, in another's place. 0 when there is none. */
__noinline int displace_flow(struct flow_query *query, __u64 data)
{
	if (!query)
		return 0;
	return query->is_ipv6 ? displace_flow_in(query, FLOW6_WORDS, data) : displace_flow_in(query, FLOW4_WORDS, data);
}

/*
 * Remembers the query's flow, which has no entry. False when there is no room: the entries it could have are all of
 * flows that were seen twice and are not over.
 */
static __always_inline bool store_flow(struct flow_query *query, volatile __u64 *table, __u64 hash, __u32 words,
				       __u32 number, __u32 state)
{
	__u64 data = flow_data(query->port, number, state, query->now);

	return likely(store_free(table, query->words, hash, words, data)) || displace_flow(query, data);
}

/* A flow's template's key: it stands for all flows of a client, or of its network, to the service. */
static __always_inline void fill_template_key(__u64 key[3], const struct flow_query *query)
{
	const struct policy *policy = policy_of(query->service, query->copy);
	if (!policy)
		return;

	const __be32 *mask = policy->mask;
	if (query->is_ipv6) {
		key[0] = query->words[0] & *(const __u64 *)&mask[0];
		key[1] = query->words[1] & *(const __u64 *)&mask[2];
		key[2] = flow6_rest(0, policy->group);
	} else {
		key[0] = flow4_key((__u32)query->words[0] & mask[0], 0, policy->group);
	}
}

static __always_inline __u32 find_template_in(struct flow_query *query, const __u64 *key, __u32 words)
{
	volatile __u64 *table = flow_table(words == FLOW6_WORDS);
	__u64 data = 0;
	if (!table)
		return 0;

	__u32 found = find_in(table, key, flow_hash(key, words), words, 0, true, &data);
	query->template_data = data;
	return found;
}

/* Finds the template's entry. 0 when there is none; else its number and 1, and its data in the query. */
__noinline int find_template(struct flow_query *query)
{
	__u64 key[3] = {};

	if (!query)
		return 0;
	fill_template_key(key, query);
	return query->is_ipv6 ? find_template_in(query, key, FLOW6_WORDS) : find_template_in(query, key, FLOW4_WORDS);
}

static __always_inline bool store_template_in(const struct flow_query *query, const __u64 *key, __u32 words, __u64 data)
{
	volatile __u64 *table = flow_table(words == FLOW6_WORDS);
	__u64 hash = flow_hash(key, words);

	return table && (store_free(table, key, hash, words, data) ||
			 store_displacing(table, key, hash, words, data, query->now));
}

/* Remembers the template. 0 when there is no room. */
__noinline int store_template(struct flow_query *query, __u32 number)
{
	__u64 key[3] = {};

	if (!query)
		return 0;
	__u64 data = flow_data(0, number, FLOW_TEMPLATE_NEW, query->now);
	fill_template_key(key, query);
	return query->is_ipv6 ? store_template_in(query, key, FLOW6_WORDS, data)
			      : store_template_in(query, key, FLOW4_WORDS, data);
}

/*
 * Gives the entry that was found another destination, state, or the present time; nothing when another CPU changed it
 * meanwhile.
 */
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

/* The same for the template that was found. */
__noinline int change_template(struct flow_query *query, __u32 found, __u32 number, __u32 state)
{
	if (!query)
		return 0;
	change_entry(query->is_ipv6 ? data_at(found - 1, FLOW6_WORDS) : data_at(found - 1, FLOW4_WORDS),
		     query->template_data, number, state, query->now);
	return 1;
}
