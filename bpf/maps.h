/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The maps: their kinds and how packets reach them. layout.h and verdict.h declare their contents.
 *
 * All maps that forwarding reads but `devices` are arrays. The JIT inlines an array's lookup, while a hash map's is a
 * call; and the control plane maps arrays into its memory, so that publishing and reading counters cost no system call.
 */
#pragma once

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "layout.h"
#include "verdict.h"
#include "verifier.h"

/* The sizes below are nominal: the control plane sets the real ones before the object is loaded. */
#define TABLE(name, type_of_value, elements)       \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, elements);     \
		__type(key, __u32);                \
		__type(value, type_of_value);      \
	} name SEC(".maps")

/* Element 0 is copy 0, element 1 is copy 1. */
TABLE(services4, struct services4, 2);
TABLE(services6, struct services6, 2);
TABLE(destinations, struct destinations, 2);
TABLE(egresses, struct egresses, 2);
TABLE(nics, struct nics, 2);

TABLE(policies, struct policies, 2);
TABLE(candidates, struct candidates, 2);

/* One element a CPU: no two CPUs ever write the same one, so counting needs no atomic operation. */
TABLE(destination_counters, struct counters, 1);
TABLE(service_verdicts, struct verdicts, 1);

TABLE(flow_counters, struct flow_counter, 1);
TABLE(flow_queries, struct flow_query, 1);

/* Written by packets, whichever copy they read. */
TABLE(flows4, struct flows4, 1);
TABLE(flows6, struct flows6, 1);
TABLE(loads, struct loads, 1);
TABLE(cursors, struct cursors, 1);
TABLE(fragments4, struct fragments4, 1);
TABLE(fragments6, struct fragments6, 1);
TABLE(answers, struct answers, 1);

/* Fragments that came before their first one, for the daemon, and where each CPU puts one together. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EARLY_RING_BYTES);
} early_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct early_fragment);
} early_room SEC(".maps");

/* The interfaces that packets can be redirected to, by interface index. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 1 << NIC_BITS);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

/*
 * Where unusual packets go on: in programs of their own, by a tail call, which costs a jump. So they take no registers
 * from plain packets, and have a stack and the verifier's instructions for themselves. libbpf fills the array when it
 * loads the object; each loaded object has its own, and needs it pinned or open: without a reference from user space
 * the kernel empties it (docs/adr/0022).
 */
enum program {
	PROGRAM_UNUSUAL4,
	PROGRAM_UNUSUAL6,
	PROGRAM_COUNT,
};

int unusual4(struct xdp_md *context);
int unusual6(struct xdp_md *context);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, PROGRAM_COUNT);
	__type(key, __u32);
	__array(values, int(struct xdp_md *));
} programs SEC(".maps") = {
	.values = {[PROGRAM_UNUSUAL4] = (void *)&unusual4, [PROGRAM_UNUSUAL6] = (void *)&unusual6},
};

/* Read and written by the control plane alone. */
TABLE(service_identities, struct identity, 1);
TABLE(destination_identities, struct identity, 1);

struct control control SEC(".data.control");

const volatile struct geometry geometry;

/* Never read: brings the enums' names and values to user space, as BTF. */
const volatile struct constants constants;

/* Bits of enum feature. */
const volatile enum feature features = FEATURE_IPV4 | FEATURE_IPV6;

/* How far to shift jiffies for a unit of about a second. */
const volatile __u32 clock_shift = 8;

/* The same as in `control`. Known when the program is loaded, it costs packets nothing to read. */
const volatile __u64 hash_secret[HASH_SECRET_WORDS];

/* Known when the program is loaded, so the verifier drops the code behind a feature that is off. */
static __always_inline bool uses(enum feature feature)
{
	return features & feature;
}

/* Returns the copy of the tables that this packet reads. Read once a packet, so that no packet sees a mixture of two.
 */
static __always_inline __u32 active_copy(void)
{
	return *(volatile __u32 *)&control.active & 1;
}
