/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Counts packets: those that are sent by destination, all others by service and verdict. Each CPU has its own rows;
 * user space adds them up.
 */
#pragma once

#include "effect.h"
#include "maps.h"

/* VIPs' traffic that is for no service is counted under this number. */
#define NO_SERVICE 0

static __always_inline void count_packet(__u32 number, bool opens_flow, __u32 ip_bytes)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct counters *counters = bpf_map_lookup_elem(&destination_counters, &cpu);
	if (!counters)
		return;

	KEEP_BOUNDS_CHECK(number);
	struct counter *counter = &counters->entry[number & geometry.destination_mask];
	COUNT(counter->packets, 1);
	COUNT(counter->bytes, ip_bytes);
	COUNT(counter->flows, opens_flow);
	NOTE(counted, number);
	NOTE(ip_bytes, ip_bytes);
	NOTE(opens, opens_flow);
}

static __always_inline enum verdict count_verdict(__u32 service, enum verdict verdict)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct verdicts *verdicts = bpf_map_lookup_elem(&service_verdicts, &cpu);
	if (!verdicts)
		return verdict;

	KEEP_BOUNDS_CHECK(service);
	/* Not a constant everywhere: the verifier needs to see that it is within bounds. */
	__u32 reason = verdict;
	KEEP_BOUNDS_CHECK(reason);
	if (reason < VERDICT_COUNT)
		COUNT(verdicts->service[service & geometry.service_mask].count[reason], 1);
	return verdict;
}
