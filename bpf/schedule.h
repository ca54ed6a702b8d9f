/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The schedulers: which destination a new flow goes to. IPVS's schedulers do what they do there (net/netfilter/ipvs),
 * with its order of destinations, the one added last first. src/image computes what a table can say; the program has
 * what depends on the packet and on how loaded the destinations are. src/oracle says all of it a second time.
 *
 * Each of the functions schedule_...() gives the number of the destination for a new flow; 0 when none takes it. None
 * calls another, so that a chain of calls has the stack of one: kernel 6.1 allows it 512 bytes, each rounded up to 32.
 */
#pragma once

#include "schedule_least.h"
#include "schedule_scan.h"
#include "schedule_table.h"
#include "schedule_twos.h"

/* Returns the number of the destination for a new flow; 0 when none takes it. */
static __always_inline __u32 schedule_flow(struct flow_query *query, const struct policy *policy)
{
	__u32 scheduler = query->scheduler;

	if (scheduler < SCHEDULER_LC)
		return schedule_by_slot(query);
	if (scheduler <= SCHEDULER_NQ)
		return schedule_least(query);
	return scheduler == SCHEDULER_TWOS ? schedule_twos(query) : schedule_scan(query);
}
