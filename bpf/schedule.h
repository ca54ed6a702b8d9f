/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The schedulers: which destination a new flow goes to. Those of IPVS do what they do there (net/netfilter/ipvs), with
 * its order of destinations, the one added last first. What a table can say, src/schedule computes; here is what
 * depends on the packet and on how loaded the destinations are. src/schedule/scheduler.ts says all of it a second time.
 */
#pragma once

#include "flow.h"
#include "pick.h"

static __always_inline const struct candidate *candidate_at(__u32 index, __u32 copy)
{
	const struct candidates *table = bpf_map_lookup_elem(&candidates, &copy);

	KEEP_BOUNDS_CHECK(index);
	return table ? &table->entry[index & geometry.destination_mask] : NULL;
}

static __always_inline struct cursor *cursor_of(__u32 group)
{
	__u32 zero = 0;
	struct cursors *table = bpf_map_lookup_elem(&cursors, &zero);

	KEEP_BOUNDS_CHECK(group);
	return table ? &table->entry[group & geometry.service_mask] : NULL;
}

/* Whether the flow's slot follows from the packet alone. */
static __always_inline bool is_hashed(const struct policy *policy)
{
	return policy->scheduler <= SCHEDULER_SH;
}

/* What sh and mh hash: the client's address, IPv6's folded to 32 bits as IPVS does, in host order, and maybe its port.
 */
static __always_inline __u32 hashed_word(const struct flow_query *query, const struct policy *policy)
{
	const __u64 *words = query->words;
	__u64 client = query->is_ipv6 ? words[0] ^ words[1] : words[0];
	__u64 rest = query->is_ipv6 ? words[2] : words[0] >> 32;

	if (query->is_ipv6)
		client ^= client >> 32;
	return bpf_ntohl((__u32)client) + (policy->flags & POLICY_PORT ? bpf_ntohs((__u16)rest) : 0);
}

/* The flow's slot, under a scheduler that is_hashed(). */
static __always_inline __u32 hashed_slot(const struct flow_query *query, const struct policy *policy)
{
	switch (policy->scheduler) {
	case SCHEDULER_MH:
		return mh_slot(hashed_word(query, policy));
	case SCHEDULER_SH:
		return sh_slot(hashed_word(query, policy));
	default:
		return ring_slot(query->hash, query->shift);
	}
}

/* The number of the destination at an index when it takes new flows, or 0. */
static __always_inline __u32 taking(__u32 index, __u32 copy)
{
	const struct candidate *candidate = candidate_at(index, copy);
	if (!candidate || !candidate->weight)
		return 0;
	const struct load *load = load_of(candidate->number);
	return load && !load->overload ? candidate->number : 0;
}

/* The number of the destination that a slot leads to when it would take flows but for its threshold, or 0. */
static __always_inline __u32 owner_of_slot(__u32 first, __u32 slot, __u32 copy)
{
	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);
	const struct candidate *candidate = table ? candidate_at(first + slot_at(table, slot), copy) : NULL;

	return candidate && candidate->weight ? candidate->number : 0;
}

/* The number of the destination that a slot leads to when it takes new flows, or 0. */
static __always_inline __u32 taking_slot(__u32 first, __u32 slot, __u32 copy)
{
	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);

	return table ? taking(first + slot_at(table, slot), copy) : 0;
}

/* A search on from a slot whose destination takes nothing. */
struct probe {
	__u32 first;
	__u32 ring;
	__u32 copy;
	__u32 length;
	__u32 slot; /* where it began */
	__u32 word; /* mh: what is hashed */
	__u32 scheduler;
	__u32 found; /* out: the number of a destination */
};

static long probe_next(__u32 step, struct probe *probe)
{
	__u32 slot;

	switch (probe->scheduler) {
	case SCHEDULER_MH:
		slot = mh_slot(probe->word + (step + probe->slot) % MH_SLOTS);
		break;
	case SCHEDULER_SH:
		slot = (step + 2 * probe->slot) % SH_SLOTS;
		break;
	default:
		slot = (probe->slot + 1 + step) % probe->length;
	}
	probe->found = taking_slot(probe->first, probe->ring + slot, probe->copy);
	return probe->found != 0;
}

/* Whether a packet's flow began earlier: a TCP flow is not remembered by its SYN where its slot says it all. */
static __always_inline bool goes_on(__u32 event)
{
	return event != EVENT_SYN && event != EVENT_DATAGRAM && event != EVENT_INITIAL;
}

/*
 * Each of the functions schedule_...() gives the number of the destination for a new flow; 0 when none takes it. None
 * calls another, so that a chain of calls has the stack of one: kernel 6.1 allows it 512 bytes, each rounded up to 32.
 *
 * By a table: the slot's destination, or where that takes nothing and the scheduler allows it the next one's.
 * Thresholds are for new flows: one that is not remembered, and goes on, is where its slot leads, or its SYN would have
 * been stored.
 */
__noinline int schedule_by_slot(struct flow_query *query)
{
	const struct policy *policy = query ? policy_of(query->service, query->copy) : NULL;
	if (!policy)
		return 0;

	struct probe probe = {
		.first = query->first,
		.ring = query->ring,
		.copy = query->copy,
		.length = policy->length,
		.word = hashed_word(query, policy),
		.scheduler = policy->scheduler,
	};
	struct cursor *cursor = NULL;
	bool looks_on = policy->scheduler == SCHEDULER_MAGLEV;

	if (!probe.length)
		return 0;
	if (policy->scheduler == SCHEDULER_SEQUENCE) {
		cursor = cursor_of(policy->group);
		if (!cursor)
			return 0;
		/* One count for all CPUs: that is what makes round robin alternate strictly. */
		probe.slot = (FETCH_AND_ADD(cursor->count, 1) + policy->base) % probe.length;
		looks_on = true;
	} else {
		probe.slot = hashed_slot(query, policy);
		looks_on |= policy->flags & POLICY_FALLBACK;
	}
	__u32 owner = owner_of_slot(probe.first, probe.ring + probe.slot, probe.copy);
	const struct load *load = load_of(owner);

	NOTE(slot, probe.slot);
	if (likely(owner && load && (!load->overload || (!cursor && goes_on(query->event)))))
		return owner;
	query->diverted = owner != 0;
	NOTE_STEP(owner ? TRACE_DIVERTED : 0);
	if (!looks_on)
		return 0;
	long steps = bpf_loop(probe.length, probe_next, &probe, 0);
	NOTE(looked_on, steps);
	if (cursor && probe.found)
		FETCH_AND_ADD(cursor->count, steps);
	return probe.found;
}

/* A walk over a service's destinations, in their order, for the one with the least overhead for its weight. */
struct least {
	__u32 first;
	__u32 candidates;
	__u32 copy;
	struct candidate best; /* out; number 0 for none */
	__u64 overhead;
};

/* More than anybody's: 2^24 flows at most, each 256. The first destination is less, whatever it weighs. */
#define UTMOST_OVERHEAD (1ULL << 32)

/*
 * Zero, but not for the verifier, when `any` is from a map. Kernel 6.1 checks what bpf_loop() calls as if it were
 * called once: of a branch on what one call leaves to the next it would remove the side that the first call does not
 * take.
 */
static __always_inline __u64 unknown_zero(__u64 any)
{
	asm volatile("%0 -= %0" : "+r"(any));
	return any;
}

/*
 * The same number, but one of which the verifier knows no bounds. With some, what is kept of one round of a loop and of
 * another are two states to it, and kernel 6.1 took a third of all instructions it allows for each to follow both.
 */
static __always_inline __u64 of_any_size(__u64 number)
{
	asm volatile("%0 = -%0; %0 = -%0" : "+r"(number));
	return number;
}

/* What sed and nq go by: flows, the one to come included (ip_vs_sed_dest_overhead() in ip_vs_sed.c). */
static __always_inline __u64 shortest_overhead(const struct load *load, bool idle_first)
{
	__u64 active = load->flows[FLOW_ACTIVE];

	return idle_first && !active ? 0 : active + 1;
}

/* What the others go by (ip_vs_dest_conn_overhead() in include/net/ip_vs.h). */
static __always_inline __u64 overhead_of(const struct load *load)
{
	return ((__u64)load->flows[FLOW_ACTIVE] << 8) + load->flows[FLOW_INACTIVE];
}

/*
 * A part of the walk: a call costs 7 ns. `shortest` and `all_alike` (lc: weights do not count; nq: nor does anything
 * else where there is no active flow) are constants in a function for each scheduler.
 *
 * Who is best so far is in memory, and looked at and written there: known in registers, it would be another state of
 * the program for each way through the loop, and the verifier would not come to an end.
 */
static __always_inline long least_part(__u32 part, struct least *least, bool shortest, bool all_alike)
{
	volatile struct least *so_far = least;
	__u32 done = part * CANDIDATES_AT_A_TIME, first = least->first + done;
	/* 64 bits: the verifier would lose sight of half a word on the stack; kernel 6.1 also of one that is copied. */
	__u64 mask = geometry.destination_mask, left = least->candidates - done;
	__u32 zero = 0;
	const struct candidates *table = bpf_map_lookup_elem(&candidates, &least->copy);
	const struct loads *all = bpf_map_lookup_elem(&loads, &zero);

	if (!table || !all)
		return 1;
	KEEP_BOUNDS_CHECK(first);
	KEEP_BOUNDS_CHECK(left);
	/* One bound for all: their table goes on for as many entries after the last. */
	const struct candidate *candidate = &table->entry[first & mask];
	__u64 count = left < CANDIDATES_AT_A_TIME ? left : CANDIDATES_AT_A_TIME;
	/* One comparison in each round, not two. */
	KEEP_BOUNDS_CHECK(count);
#pragma clang loop unroll(disable)
	for (__u64 i = 0; i < count; i++, candidate++) {
		__u64 weight = candidate->weight;
		__u64 number = candidate->number;
		KEEP_BOUNDS_CHECK(number);
		const struct load *load = &all->entry[number & mask];

		if (unlikely(!weight || load->overload))
			continue;
		__u64 own = shortest ? shortest_overhead(load, all_alike) : overhead_of(load);
		if (!shortest && all_alike)
			weight = 1;
		/* Less than the least so far: by cross-multiplication, strictly, so that the first of equals stays. */
		if (own * so_far->best.weight >= so_far->overhead * weight)
			continue;
		so_far->best.number = number;
		so_far->best.weight = weight;
		so_far->overhead = of_any_size(own);
	}
	return left <= CANDIDATES_AT_A_TIME;
}

static long lc_part(__u32 part, struct least *least)
{
	return least_part(part, least, false, true);
}

static long wlc_part(__u32 part, struct least *least)
{
	return least_part(part, least, false, false);
}

static long sed_part(__u32 part, struct least *least)
{
	return least_part(part, least, true, false);
}

static long nq_part(__u32 part, struct least *least)
{
	return least_part(part, least, true, true);
}

/* lc, wlc, sed and nq. */
__noinline int schedule_least(struct flow_query *query)
{
	const struct policy *policy = query ? policy_of(query->service, query->copy) : NULL;
	if (!policy)
		return 0;

	__u64 none = unknown_zero(query->hash);
	struct least least = {
		.first = query->first,
		.candidates = policy->candidates,
		.copy = query->copy,
		.best = {.number = none, .weight = none + 1},
		.overhead = none + UTMOST_OVERHEAD,
	};
	__u32 parts = (least.candidates + CANDIDATES_AT_A_TIME - 1) / CANDIDATES_AT_A_TIME;

	switch (policy->scheduler) {
	case SCHEDULER_LC:
		bpf_loop(parts, lc_part, &least, 0);
		break;
	case SCHEDULER_SED:
		bpf_loop(parts, sed_part, &least, 0);
		break;
	case SCHEDULER_NQ:
		bpf_loop(parts, nq_part, &least, 0);
		break;
	default:
		bpf_loop(parts, wlc_part, &least, 0);
	}
	return least.best.number;
}

/* A walk of the schedulers that ask more of a destination. */
struct scan {
	__u32 first;
	__u32 candidates;
	__u32 copy;
	__u32 scheduler;
	__u32 cached; /* lblc: the number of the destination in use */
	/* The best so far: its number, 0 for none, its weight and its overhead. */
	__u32 best;
	__u64 weight;
	__u64 overhead;
	/* The same among those in use, and when it joined; and whether it has more active flows than its weight. */
	__u32 member;
	__u32 joined;
	bool member_full;
	bool idle; /* some destination has less active flows than half its weight */
	__u64 member_weight;
	__u64 member_overhead;
};

static long scan_one(__u32 place, struct scan *scan)
{
	const struct candidate *candidate = candidate_at(scan->first + place, scan->copy);
	const struct load *load = candidate && candidate->number ? load_of(candidate->number) : NULL;
	if (!load)
		return 0;

	__u64 weight = candidate->weight, active = load->flows[FLOW_ACTIVE], overhead = overhead_of(load);
	/* is_overloaded() in ip_vs_lblc.c looks at all, also at those that take nothing. */
	scan->idle |= active * 2 < weight;
	if (!weight || load->overload)
		return 0;
	if (scan->scheduler == SCHEDULER_FO || scan->scheduler == SCHEDULER_OVF) {
		/* The heaviest; under ovf of those that have no more flows than their weight. */
		if (weight > scan->weight && (scan->scheduler == SCHEDULER_FO || active <= weight)) {
			scan->best = candidate->number;
			scan->weight = weight;
		}
		return 0;
	}
	if (!scan->best || scan->overhead * weight > overhead * scan->weight) {
		scan->best = candidate->number;
		scan->weight = weight;
		scan->overhead = overhead;
	}
	if (scan->scheduler == SCHEDULER_LBLCR ? !load->member : scan->cached != candidate->number)
		return 0;
	/* Of equals the one that joined last: ip_vs_dest_set_insert() puts it first. */
	__u64 theirs = scan->member_overhead * weight, own = overhead * scan->member_weight;
	if (!scan->member || theirs > own || (theirs == own && load->member > scan->joined)) {
		scan->member = candidate->number;
		scan->joined = load->member;
		scan->member_weight = weight;
		scan->member_overhead = overhead;
		scan->member_full = active > weight;
	}
	return 0;
}

/* fo, ovf, lblc and lblcr. */
__noinline int schedule_scan(struct flow_query *query)
{
	const struct policy *policy = query ? policy_of(query->service, query->copy) : NULL;
	if (!policy)
		return 0;

	__u64 none = unknown_zero(query->hash);
	struct scan scan = {
		.first = query->first,
		.candidates = policy->candidates,
		.copy = query->copy,
		.scheduler = policy->scheduler,
		.best = none,
		.weight = none,
		.overhead = none,
		.member = none,
		.joined = none,
		.member_weight = none,
		.member_overhead = none,
	};
	struct cursor *cursor = cursor_of(policy->group);

	if (!cursor)
		return 0;
	scan.cached = cursor->cached;
	bpf_loop(scan.candidates, scan_one, &scan, 0);
	if (policy->scheduler == SCHEDULER_FO || policy->scheduler == SCHEDULER_OVF)
		return scan.best;
	/* Who is in use stays, unless it has too much to do while another is idle (ip_vs_lblc.c, ip_vs_lblcr.c). */
	if (scan.member && !(scan.member_full && scan.idle))
		return scan.member;
	if (policy->scheduler == SCHEDULER_LBLC) {
		SET(cursor->cached, scan.best);
	} else {
		struct load *load = load_of(scan.best);
		if (load && scan.best && !load->member)
			SET(load->member, FETCH_AND_ADD(cursor->count, 1) + 1);
	}
	return scan.best;
}

/* A walk of twos: for the sum of the weights, or for who is drawn. */
struct draw {
	__u32 first;
	__u32 copy;
	__u64 sum;
	__s64 left;   /* of the draw */
	__u32 number; /* out: of who is drawn; of the last one that takes flows; 0 for none */
	__u32 weight;
};

static long sum_one(__u32 place, struct draw *draw)
{
	const struct candidate *candidate = candidate_at(draw->first + place, draw->copy);
	__u32 number = taking(draw->first + place, draw->copy);

	if (candidate && number) {
		draw->sum += candidate->weight;
		draw->number = number;
	}
	return 0;
}

static long draw_one(__u32 place, struct draw *draw)
{
	const struct candidate *candidate = candidate_at(draw->first + place, draw->copy);
	__u32 number = taking(draw->first + place, draw->copy);

	if (!candidate || !number)
		return 0;
	draw->left -= candidate->weight;
	if (draw->left > 0)
		return 0;
	draw->number = number;
	draw->weight = candidate->weight;
	return 1;
}

static __always_inline __u32 draw_by(struct draw *draw, __u64 random, __u32 candidates)
{
	/* From 0 to the sum, both included. The sum has more than 32 bits where a few weights are the largest. */
	__u64 part = random >> 32, whole = draw->sum + 1;
	draw->left = part * (whole >> 32) + (part * (__u32)whole >> 32);
	draw->weight = 0;
	bpf_loop(candidates, draw_one, draw, 0);
	return draw->number;
}

/*
 * Two weighted draws, the less loaded wins (ip_vs_twos.c). The draws follow from how many flows the service had, so
 * that they can be repeated.
 */
__noinline int schedule_twos(struct flow_query *query)
{
	const struct policy *policy = query ? policy_of(query->service, query->copy) : NULL;
	if (!policy)
		return 0;

	struct draw draw = {.first = query->first, .copy = query->copy};
	struct cursor *cursor = cursor_of(policy->group);

	if (!cursor)
		return 0;
	bpf_loop(policy->candidates, sum_one, &draw, 0);
	if (!draw.number)
		return 0;
	__u64 random = mix(FETCH_AND_ADD(cursor->count, 1) + 1);
	__u32 one = draw_by(&draw, random, policy->candidates);
	__u64 weight = draw.weight;
	__u32 other = draw_by(&draw, mix(random ^ random >> 32), policy->candidates);
	const struct load *load = load_of(one), *other_load = load_of(other);
	if (!load || !other_load)
		return one;
	return weight * overhead_of(other_load) < draw.weight * overhead_of(load) ? other : one;
}

/* The number of the destination for a new flow; 0 when none takes it. */
static __always_inline __u32 schedule_flow(struct flow_query *query, const struct policy *policy)
{
	if (policy->scheduler < SCHEDULER_LC)
		return schedule_by_slot(query);
	if (policy->scheduler <= SCHEDULER_NQ)
		return schedule_least(query);
	return policy->scheduler == SCHEDULER_TWOS ? schedule_twos(query) : schedule_scan(query);
}
