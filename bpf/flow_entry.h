/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The words of a flow table's entry: key, state, destination, time. The program and the control plane's sweeper
 * (native/src/flows.cc) share them. They need no packet and no map.
 */
#pragma once

#include <stdbool.h>

#include "layout.h"

/*
 * The fields that a packet finds unchanged when it has nothing to write: port, state and time. Whether the flow lasts
 * makes no difference.
 */
#define FLOW_STEADY_MASK (0xffffULL << FLOW_PORT_SHIFT | (0xfffffffULL & ~((__u64)FLOW_LASTING << FLOW_STATE_SHIFT)))
#define FLOW_DATA_BUSY ((__u64)FLOW_BUSY << FLOW_STATE_SHIFT)

static __always_inline __u64 flow_data(__u16 port, __u32 number, __u32 state, __u32 time)
{
	return (__u64)port << FLOW_PORT_SHIFT | (__u64)number << FLOW_NUMBER_SHIFT | (__u64)state << FLOW_STATE_SHIFT |
	       (time & FLOW_TIME_MASK);
}

static __always_inline __u16 flow_port(__u64 data)
{
	return data >> FLOW_PORT_SHIFT;
}

static __always_inline __u32 flow_number(__u64 data)
{
	return data >> FLOW_NUMBER_SHIFT & FLOW_NUMBER_MASK;
}

static __always_inline __u32 flow_state(__u64 data)
{
	return data >> FLOW_STATE_SHIFT & FLOW_STATE_MASK;
}

/* Returns the units since the last packet; 0 when another CPU's clock is ahead of this one's. */
static __always_inline __u32 flow_age(__u64 data, __u32 now)
{
	/* Sign-extended from 24 bits, and not below 0; without a branch, as rank_of() needs it. */
	__s64 age = (__s64)((__u64)(now - (__u32)data) << 40) >> 40;

	return age & ~(age >> 63);
}

static __always_inline bool is_template(__u32 state)
{
	return (1U << FLOW_TEMPLATE | 1U << FLOW_TEMPLATE_NEW | 1U << FLOW_TEMPLATE_LASTING) >> state & 1;
}

/* 1 when a flow, or a template, sent in more than one unit of time; else 0. */
static __always_inline __u32 lasts(__u32 state)
{
	return (1U << FLOW_UDP_LASTING | 1U << FLOW_ESTABLISHED_LASTING | 1U << FLOW_TEMPLATE_LASTING) >> state & 1;
}

/* 1 when a flow, or a template, in this state lasts with its next packet in another unit of time; else 0. */
static __always_inline __u32 is_young(__u32 state)
{
	return (1U << FLOW_UDP | 1U << FLOW_ESTABLISHED | 1U << FLOW_TEMPLATE) >> state & 1;
}

/* 1 when a number is not 0, else 0; without a branch for the verifier's sake. */
static __always_inline __u32 is_set(__u32 number)
{
	return -(__u64)number >> 63;
}

/* Returns the state of a flow, or a template, that was in a state and met its next packet there after `age`. */
static __always_inline __u32 grown(__u32 state, __u32 age)
{
	return state | (is_young(state) & is_set(age)) * FLOW_LASTING;
}

/* Whether an entry holds a flow, or a template, and is whole. */
static __always_inline bool is_live(__u32 state)
{
	return state != FLOW_FREE && state != FLOW_BUSY;
}

/* Returns whether IPVS counts the state as ActiveConn, InActConn or PersistConn. */
static __always_inline enum flow_class flow_class(__u32 state)
{
	if ((1U << FLOW_SYN_RECV | 1U << FLOW_UNCONFIRMED | 1U << FLOW_ESTABLISHED | 1U << FLOW_ESTABLISHED_LASTING) >>
		    state &
	    1)
		return FLOW_ACTIVE;
	return is_template(state) ? FLOW_PERSISTENT : FLOW_INACTIVE;
}

/* Returns an IPv4 flow's key. */
static __always_inline __u64 flow4_key(__u32 client, __u16 port, __u16 service)
{
	return (__u64)service << 48 | (__u64)port << 32 | client;
}

/* Returns the last word of an IPv6 flow's key. */
static __always_inline __u64 flow6_rest(__u16 port, __u16 service)
{
	return (__u64)service << 16 | port;
}

/*
 * Returns the entry of its bucket that a flow gets while that is free, among `ways`, a power of two. So the program
 * mostly knows where a packet's flow stands before the bucket has arrived from memory, and the processor goes on to
 * the next packets meanwhile: with a million flows that saves half of the cost of finding one. Other bits than these
 * choose the bucket.
 */
static __always_inline __u32 preferred_way(__u64 hash, __u32 ways)
{
	return hash >> 28 & (ways - 1);
}
