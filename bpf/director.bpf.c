// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The director's data path, in the order in which a packet meets it: parse, match the service, pick the destination,
 * rewrite the MACs, count, send. A packet that is not for a service goes up to the host as it came.
 *
 * `is_ipv6` and `lean` are constants wherever they are passed: each function is compiled for every value of them.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "forward_dr.h"
#include "layout.h"
#include "maps.h"
#include "match.h"
#include "parse.h"
#include "unusual.h"
#include "verdict.h"

/* The kernel counts a dual licence with the GPL as GPL-compatible (include/linux/license.h). */
char _license[] SEC("license") = "Dual MIT/GPL";

/* A plain packet: directs it to its service, if it is for one. */
static __always_inline enum verdict direct_plain_ip(struct xdp_md *context, const struct frame *frame,
						    const struct packet *packet, bool is_ipv6, bool lean)
{
	__u32 copy = active_copy();
	const void *services = services_of(copy, is_ipv6);
	const struct match *match, *vip;

	if (!services)
		return VERDICT_NOT_OURS;
	if ((match = match_port(services, packet, is_ipv6)))
		return forward_dr(context, frame, packet, NULL, match, copy, is_ipv6, lean);
	if (likely(!(vip = match_vip(services, packet, is_ipv6))))
		return VERDICT_NOT_OURS;
	if ((match = match_wildcard(services, packet, vip, is_ipv6)))
		return forward_dr(context, frame, packet, NULL, match, copy, is_ipv6, lean);
	return count_verdict(NO_SERVICE, VERDICT_NO_SERVICE);
}

/* Parses a plain packet and directs it. PARSE_NOT_PLAIN when it is not plain. */
static __always_inline enum parse_result direct_plain(struct xdp_md *context, bool lean)
{
	const struct frame frame = {
		.start = (void *)(long)context->data,
		.end = (void *)(long)context->data_end,
	};
	struct packet packet = {};

	if (frame.start + sizeof(struct ethhdr) > frame.end)
		return PARSE_NOT_OURS;
	switch (ethertype(&frame)) {
	case bpf_htons(ETH_P_IP):
		/* FEATURE_IPV4 is not tested, a branch less: without IPv4 services no service is found anyway. */
		if (unlikely(!parse_plain(&frame, &packet, false)))
			return PARSE_NOT_PLAIN;
		return result_of(direct_plain_ip(context, &frame, &packet, false, lean));
	case bpf_htons(ETH_P_IPV6):
		if (!uses(FEATURE_IPV6) || unlikely(!parse_plain(&frame, &packet, true)))
			return PARSE_NOT_PLAIN;
		return result_of(direct_plain_ip(context, &frame, &packet, true, lean));
	case bpf_htons(ETH_P_8021Q):
	case bpf_htons(ETH_P_8021AD):
		return PARSE_NOT_PLAIN;
	default:
		return PARSE_NOT_OURS;
	}
}

/*
 * An unusual IP packet. Whether it is for a VIP comes first, so that other hosts' traffic passes soon; then whether it
 * can be scheduled; then the service that it is for.
 */
static __always_inline enum verdict direct_unusual_ip(struct xdp_md *context, const struct frame *frame, bool is_ipv6)
{
	__u32 copy = active_copy();
	const void *services = services_of(copy, is_ipv6);
	__u32 network = sizeof(struct ethhdr) + frame->tags * TAG_BYTES;
	const void *header = at(frame, network, is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	struct packet packet = {.ip = header};
	struct payload payload = {};
	struct ports room = {};
	const struct match *match, *vip;

	if (!services || !header || likely(!(vip = match_vip(services, &packet, is_ipv6))))
		return VERDICT_NOT_OURS;

	packet.client = is_ipv6 ? (const void *)&packet.ip6->saddr : &packet.ip->saddr;
	enum parse_result result = walk(frame, &packet, network, &payload, is_ipv6);
	if (result == PARSED)
		result = parse_payload(frame, &payload, &packet, &room, is_ipv6);
	if (result != PARSED)
		return count_verdict(NO_SERVICE, verdict_of(result));

	if (!(match = match_port(services, &packet, is_ipv6)) &&
	    !(match = match_wildcard(services, &packet, vip, is_ipv6)))
		return count_verdict(NO_SERVICE, VERDICT_NO_SERVICE);
	NOTE_STEP(payload.first_fragment ? TRACE_FIRST_FRAGMENT : 0);
	NOTE_STEP(payload.later_fragment ? TRACE_LATER_FRAGMENT : 0);
	if (payload.first_fragment)
		store_fragment(&packet, &payload, 0, is_ipv6);
	return forward_dr(context, frame, &packet, &payload, match, copy, is_ipv6, false);
}

static __always_inline enum verdict direct_unusual(struct xdp_md *context)
{
	struct frame frame = {
		.start = (void *)(long)context->data,
		.end = (void *)(long)context->data_end,
	};

	NOTE_STEP(TRACE_UNUSUAL);
	if (frame.start + sizeof(struct ethhdr) > frame.end)
		return VERDICT_NOT_OURS;
	switch (skip_tags(&frame)) {
	case bpf_htons(ETH_P_IP):
		return uses(FEATURE_IPV4) ? direct_unusual_ip(context, &frame, false) : VERDICT_NOT_OURS;
	case bpf_htons(ETH_P_IPV6):
		return uses(FEATURE_IPV6) ? direct_unusual_ip(context, &frame, true) : VERDICT_NOT_OURS;
	default:
		return VERDICT_NOT_OURS;
	}
}

static __always_inline enum verdict direct(struct xdp_md *context)
{
	enum parse_result result =
		uses(WHOLE_PATH_FEATURES) ? direct_plain(context, false) : direct_plain(context, true);

	return likely(result != PARSE_NOT_PLAIN) ? verdict_of(result) : direct_unusual(context);
}

static __always_inline int action_of(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_FORWARDED:
		return XDP_TX;
	case VERDICT_REDIRECTED:
		return XDP_REDIRECT;
	case VERDICT_DROPPED:
	case VERDICT_FLOWS_FULL:
	case VERDICT_SERVICE_GONE:
	case VERDICT_UNRESOLVED:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

/*
 * The program itself. `frags`: frames may be larger than a page, so drivers accept it with jumbo MTUs. Only headers are
 * read, and they are always in the first part (kernel 5.18).
 */
SEC("xdp.frags")
int director(struct xdp_md *context)
{
	return action_of(direct(context));
}

/* Tells the control plane the time of the flow tables. */
SEC("xdp")
int clock(struct xdp_md *context)
{
	return flow_now();
}
