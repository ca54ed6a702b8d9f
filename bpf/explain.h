/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The effects of a packet that is explained: none. What they would be, and which way the packet went, is noted in one
 * global variable, which the control plane has mapped. Only explain.bpf.c comes here, by effect.h.
 */
#pragma once

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "state.h"
#include "verdict.h"

/* What the packet met on its way; bits. */
enum trace_step {
	TRACE_UNUSUAL = 1,         /* not plain: tags, options, extension headers, a fragment, ICMP */
	TRACE_RING = 2,            /* goes where its slot leads, and nothing is asked of its flow */
	TRACE_HIT = 4,             /* its flow's entry stays as it is */
	TRACE_FOLLOWED = 8,        /* by all rules */
	TRACE_SCHEDULED = 16,      /* the scheduler was asked */
	TRACE_DIVERTED = 32,       /* who its slot leads to is at its threshold */
	TRACE_FIRST_FRAGMENT = 64, /* its ports would be remembered for the later ones */
	TRACE_LATER_FRAGMENT = 128,
	TRACE_NO_ROOM = 256, /* an entry that it would store found none */
	TRACE_SOUGHT = 512,  /* its flow's entry was looked for by all rules */
};

/* The way of one packet. Entries' data is as in the table (flow_data()); 0 for none. */
struct trace {
	enum trace_step steps;
	enum verdict verdict;
	/* The flow that it is of: the quoted packet's, of an ICMP error. Ports are as they lie in the packet. */
	__u64 words[3];
	__u32 service; /* its number; 0: not matched */
	__be16 client_port;
	__be16 port;
	__u8 protocol;
	__u8 tags;
	__u16 zero;
	enum flow_event event; /* where it was followed by all rules */
	enum flow_state state; /* that its flow would be stored with; FLOW_FREE: it would not */
	__u32 slot;            /* where slots are asked, counted from its table's beginning */
	__u32 previous;  /* what a change left of the slot, where that was asked: an index and 1, SLOT_MARKED and 1 */
	__u32 looked_on; /* how many slots further, when who the first one leads to took nothing */
	__u32 number;    /* of its destination; 0: none */
	__u32 counted;   /* the number of the destination that it would be counted with; 0: none */
	__u32 ip_bytes;
	__u32 opens; /* it would count as the first of its flow */
	__u64 found;
	__u64 changed;
	__u64 stored;
	__u64 displaced; /* another's, in whose place that would be */
	__u64 template_found;
	__u64 template_changed;
	__u64 template_stored;
};

struct trace trace SEC(".data.trace");

#define NOTE(figure, value) ((void)(trace.figure = (value)))
#define NOTE_STEP(step) ((void)(trace.steps |= (step)))
#define NOTE_BY(statement) statement

#define COUNT(word, amount) ((void)&(word), (void)(amount))
#define FETCH_AND_ADD(word, amount) ((void)(amount), *(volatile typeof(word) *)&(word))
#define SET(word, value) ((void)&(word), (void)(value))

static __always_inline bool exchange(volatile __u64 *data, __u64 before, __u64 after)
{
	return *data == before;
}

static __always_inline void note_found(__u64 data, bool template)
{
	if (template)
		trace.template_found = data;
	else
		trace.found = data;
}

static __always_inline void note_stored(__u64 data)
{
	if (is_template(flow_state(data)))
		trace.template_stored = data;
	else
		trace.stored = data;
}

static __always_inline void note_changed(__u64 data)
{
	if (is_template(flow_state(data)))
		trace.template_changed = data;
	else
		trace.changed = data;
}
