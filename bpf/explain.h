/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The effects of a packet that is explained: none. What they would be, and the path that the packet took, is noted in
 * one global variable that the control plane maps. Only explain.bpf.c includes this file, by effect.h.
 */
#pragma once

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "state.h"
#include "verdict.h"

/* The steps that the packet took; bits. */
enum trace_step {
	TRACE_UNUSUAL = 1,         /* not plain: tags, options, extension headers, a fragment, ICMP */
	TRACE_RING = 2,            /* goes where its slot leads, without a look at its flow */
	TRACE_HIT = 4,             /* its flow's entry stays as it is */
	TRACE_FOLLOWED = 8,        /* its flow is followed, by all rules of follow.h */
	TRACE_SCHEDULED = 16,      /* the scheduler was asked */
	TRACE_DIVERTED = 32,       /* the destination that its slot leads to is at its threshold */
	TRACE_FIRST_FRAGMENT = 64, /* its ports would be remembered for the later ones */
	TRACE_LATER_FRAGMENT = 128,
	TRACE_NO_ROOM = 256,      /* there is no room for an entry that it would store */
	TRACE_SOUGHT = 512,       /* the rules of follow.h looked its flow's entry up */
	TRACE_TURNED_AWAY = 1024, /* it is a SYN, and its flow's destination takes no new flows */
	TRACE_FIRST_WENT = 2048,  /* a later fragment, which goes where the first one went */
	TRACE_CROWDED = 4096,     /* no entry that its flow could have is free: its hash schedules it */
};

/* The path of one packet. Entries' data is as in the table (flow_data()); 0 for none. */
struct trace {
	enum trace_step steps;
	enum verdict verdict;
	/* Its flow's key; an ICMP error has the flow of the packet that it quotes. Ports are as they lie in the packet.
	 */
	__u64 words[3];
	__u32 service; /* its number; 0: not matched */
	__be16 client_port;
	__be16 port;
	__u8 protocol;
	__u8 tags;
	__u16 zero;
	enum flow_event event; /* set with TRACE_FOLLOWED */
	enum flow_state state; /* its flow would be stored with it; FLOW_FREE: it would not be stored */
	__u32 slot;            /* where slots decide, counted from its table's beginning */
	__u32 previous;        /* 1 + the word that a change left of the slot (previous_of()); 0: not read */
	__u32 looked_on;       /* how many slots further it looked, because the first destinations take no flows */
	__u32 number;          /* of its destination; 0: none */
	__u32 counted;         /* the number of the destination that it would be counted with; 0: none */
	__u32 ip_bytes;
	__u32 opens; /* it would count as the first of its flow */
	__u64 found;
	__u64 changed;
	__u64 stored;
	__u64 displaced; /* the flow in whose place it would be stored */
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

/* An explanation is about the packet, not about those before it. */
#define LIMITS_ANSWERS false

#define EXPLAINS true

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
