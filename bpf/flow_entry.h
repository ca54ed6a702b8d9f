/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The words of a flow table's entry: key, state, destination, time. The program and the control plane's sweeper
 * (native/src/flows.cc) share them. They need no packet and no map.
 */
#pragma once

#include <stdbool.h>

#include "layout.h"

/*
 * Data, from the highest bit on: the virtual port (as in the packet, 16 bits), the destination's number (20), the state
 * (4), and the time of the last packet in units of about a second (24: it wraps after half a year).
 */
#define FLOW_PORT_SHIFT 48
#define FLOW_NUMBER_SHIFT 28
#define FLOW_STATE_SHIFT 24
#define FLOW_NUMBER_MASK 0xfffffU
#define FLOW_STATE_MASK 0xfU
#define FLOW_TIME_MASK 0xffffffU
/* What a packet that changes nothing finds as it expects: port, state and time. */
#define FLOW_STEADY_MASK (0xffffULL << FLOW_PORT_SHIFT | 0xfffffffULL)
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

/* Units since the last packet. A packet that another CPU's clock dates ahead of this one's is of now. */
static __always_inline __u32 flow_age(__u64 data, __u32 now)
{
	/* Sign-extended from 24 bits, and not below 0; without a branch, as rank_of() needs it. */
	__s64 age = (__s64)((__u64)(now - (__u32)data) << 40) >> 40;

	return age & ~(age >> 63);
}

static __always_inline bool is_template(__u32 state)
{
	return (1U << FLOW_TEMPLATE | 1U << FLOW_TEMPLATE_NEW) >> state & 1;
}

/* Whether an entry is somebody's, and whole. */
static __always_inline bool is_live(__u32 state)
{
	return state != FLOW_FREE && state != FLOW_BUSY;
}

/* What IPVS counts as ActiveConn, InActConn and PersistConn. */
static __always_inline enum flow_class flow_class(__u32 state)
{
	if (state == FLOW_SYN_RECV || state == FLOW_ESTABLISHED || state == FLOW_UNCONFIRMED)
		return FLOW_ACTIVE;
	return is_template(state) ? FLOW_PERSISTENT : FLOW_INACTIVE;
}

/* An IPv4 flow's key. */
static __always_inline __u64 flow4_key(__u32 client, __u16 port, __u16 service)
{
	return (__u64)service << 48 | (__u64)port << 32 | client;
}

/* The last word of an IPv6 flow's key. */
static __always_inline __u64 flow6_rest(__u16 port, __u16 service)
{
	return (__u64)service << 16 | port;
}

/*
 * The entry of its first bucket that a flow is given while it is free; `ways`, a power of two, is how many there are.
 * Where a packet's flow stands can then mostly be told before the bucket has arrived from memory, and the processor
 * goes on to the next packets meanwhile: with a million flows that saves half of what finding one costs. The bits are
 * others than those that choose the bucket.
 */
static __always_inline __u32 preferred_way(__u64 hash, __u32 ways)
{
	return hash >> 28 & (ways - 1);
}
