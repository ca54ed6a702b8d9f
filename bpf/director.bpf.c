// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The director's data path, in the order in which a packet meets it: parse, match the service, pick the destination,
 * rewrite the MACs, count, send. A packet that is not for a service goes up to the host as it came. Packets that are
 * not plain go on in programs of their own (docs/adr/0022).
 *
 * `is_ipv6` and `lean` are constants wherever they are passed: each function is compiled for every value of them.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "early.h"
#include "forward_dr.h"
#include "layout.h"
#include "maps.h"
#include "martian.h"
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

	/* One check for Ethernet's, IPv4's and UDP's headers: shorter frames have no plain packet. */
	if (unlikely(frame.start + PLAIN_BYTES > frame.end))
		return frame.start + sizeof(struct ethhdr) > frame.end ? PARSE_NOT_OURS : PARSE_NOT_PLAIN;
	/* FEATURE_IPV4 is not tested, a branch less: without IPv4 services no service is found anyway. */
	if (likely(ethertype(&frame) == bpf_htons(ETH_P_IP)))
		return parse_plain(&frame, &packet, false)
			       ? result_of(direct_plain_ip(context, &frame, &packet, false, lean))
			       : PARSE_NOT_PLAIN;
	switch (ethertype(&frame)) {
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

/* An unusual packet, as it is parsed. */
struct unusual {
	struct packet packet;
	struct payload payload;
	struct ports room; /* for ports that the frame does not have in this order */
};

/*
 * Takes out of the frame all that the rest of the path needs: client, ports, TCP's flags. They can be in many places,
 * and for the verifier the rest of the path would be as many programs.
 */
static __always_inline bool digest(const struct frame *frame, struct unusual *unusual, bool is_ipv6)
{
	struct packet *packet = &unusual->packet;
	const __u64 *client = packet->client;
	__u32 cpu = bpf_get_smp_processor_id();
	struct flow_query *query = bpf_map_lookup_elem(&flow_queries, &cpu);
	if (!query)
		return false;

	if (is_ipv6) {
		query->client[0] = client[0];
		query->client[1] = client[1];
	} else {
		query->client[0] = *(const __be32 *)packet->client;
	}
	query->ports = *packet->ports;
	packet->client = query->client;
	packet->ports = &query->ports;
	packet->event = is_ipsec(unusual->payload.protocol, is_ipv6) ? EVENT_IPSEC : event_of(frame, packet);
	packet->steady = steady_state(packet);
	packet->opens = opens_flow(packet);
	packet->tcp = NULL;
	packet->udp = NULL;
	packet->digested = true;
	return true;
}

/*
 * Parses an unusual IP packet and matches its service. Whether it is for a VIP comes first, so that other hosts'
 * traffic passes soon; then whether it can be scheduled; then the service that it is for. NULL when it is for none: it
 * is then counted and has its verdict.
 */
static __always_inline const struct match *match_unusual(struct xdp_md *context, const struct frame *frame,
							 struct unusual *unusual, __u32 copy, bool is_ipv6,
							 enum verdict *verdict)
{
	const void *services = services_of(copy, is_ipv6);
	__u32 network = sizeof(struct ethhdr) + frame->tags * TAG_BYTES;
	const void *header = at(frame, network, is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	struct packet *packet = &unusual->packet;
	struct payload *payload = &unusual->payload;
	const struct match *match, *vip;

	packet->ip = header;
	if (!services || !header || likely(!(vip = match_vip(services, packet, is_ipv6))))
		return NULL;

	const void *source = is_ipv6 ? (const void *)&packet->ip6->saddr : &packet->ip->saddr;
	packet->client = source;
	enum parse_result result = walk(context, packet, network, payload, is_ipv6);
	if (result == PARSED)
		result = parse_payload(context, frame, payload, packet, &unusual->room, is_ipv6);
	if (result != PARSED) {
		*verdict = count_verdict(NO_SERVICE, verdict_of(result));
		return NULL;
	}
	/* An ICMP error from a martian is as one about it: pick() looks only at the client. */
	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);
	bool martian = table && is_martian(source, table, copy, is_ipv6) && !is_from_host(context, copy);
	if (unlikely(martian)) {
		packet->client = source;
		packet->by_first = false;
	}
	if (!digest(frame, unusual, is_ipv6))
		return NULL;

	/* Also without a service: the later ones follow it to the host. */
	if (payload->first_fragment && !martian)
		store_fragment(packet, payload, 0, is_ipv6);
	if (!(match = match_port(services, packet, is_ipv6)) &&
	    !(match = match_wildcard(services, packet, vip, is_ipv6))) {
		*verdict = count_verdict(NO_SERVICE, is_ipsec(payload->protocol, is_ipv6) ? VERDICT_OTHER_PROTOCOL
											  : VERDICT_NO_SERVICE);
		return NULL;
	}
	NOTE_STEP(payload->first_fragment ? TRACE_FIRST_FRAGMENT : 0);
	NOTE_STEP(payload->later_fragment ? TRACE_LATER_FRAGMENT : 0);
	return match;
}

/* An unusual packet. `is_ipv6` is a constant. */
static __always_inline enum verdict direct_unusual(struct xdp_md *context, bool is_ipv6)
{
	struct frame frame = {
		.start = (void *)(long)context->data,
		.end = (void *)(long)context->data_end,
	};
	struct unusual unusual = {};
	enum verdict verdict = VERDICT_NOT_OURS;
	__u32 copy = active_copy();

	if (frame.start + sizeof(struct ethhdr) > frame.end)
		return VERDICT_NOT_OURS;
	skip_tags(&frame);
	const struct match *match = match_unusual(context, &frame, &unusual, copy, is_ipv6, &verdict);

	if (uses(FEATURE_FRAGMENTS) && verdict == VERDICT_EARLY)
		keep_early(context);
	return match ? forward_dr(context, &frame, &unusual.packet, &unusual.payload, match, copy, is_ipv6, false)
		     : verdict;
}

/*
 * Leads an unusual packet to its program, from which it does not come back. Only while programs are exchanged it may
 * miss it, for some microseconds, and then goes up.
 */
static __always_inline enum verdict go_on_unusual(struct xdp_md *context)
{
	struct frame frame = {
		.start = (void *)(long)context->data,
		.end = (void *)(long)context->data_end,
	};

	if (frame.start + sizeof(struct ethhdr) > frame.end)
		return VERDICT_NOT_OURS;
	__be16 type = skip_tags(&frame);
	if (frame.tags && !is_own_vlan(vlan_of(&frame), active_copy()))
		return end_in_other_vlan(context);
	switch (type) {
	case bpf_htons(ETH_P_IP):
		if (uses(FEATURE_IPV4))
			bpf_tail_call_static(context, &programs, PROGRAM_UNUSUAL4);
		break;
	case bpf_htons(ETH_P_IPV6):
		if (uses(FEATURE_IPV6))
			bpf_tail_call_static(context, &programs, PROGRAM_UNUSUAL6);
		break;
	}
	return VERDICT_NOT_OURS;
}

static __always_inline enum verdict direct(struct xdp_md *context)
{
	enum parse_result result =
		uses(WHOLE_PATH_FEATURES) ? direct_plain(context, false) : direct_plain(context, true);

	/* Told apart here and in action_of(), packets that are sent are spared 12 instructions for all others. */
	if (likely(result == result_of(VERDICT_FORWARDED)))
		return VERDICT_FORWARDED;
	NOTE_STEP(result == PARSE_NOT_PLAIN ? TRACE_UNUSUAL : 0);
	return likely(result < PARSE_NOT_PLAIN) ? verdict_of(result) : go_on_unusual(context);
}

static __always_inline int action_of(enum verdict verdict)
{
	int action = XDP_TX;

	NOTE(verdict, verdict);
	if (likely(verdict == VERDICT_FORWARDED)) {
		/* Else clang makes this a case of the switch again. */
		asm volatile("" : "+r"(action));
		return action;
	}
	switch (verdict) {
	case VERDICT_NO_DESTINATION:
	case VERDICT_TOO_LONG:
	case VERDICT_TTL:
	case VERDICT_NO_EGRESS:
		return XDP_TX;
	case VERDICT_REDIRECTED:
		return XDP_REDIRECT;
	case VERDICT_DROPPED:
	case VERDICT_NOT_MASTER:
	case VERDICT_MARTIAN:
	case VERDICT_FLOWS_FULL:
	case VERDICT_SERVICE_GONE:
	case VERDICT_UNRESOLVED:
	case VERDICT_FRAGMENT:
	case VERDICT_TRUNCATED:
	case VERDICT_LIMITED:
	case VERDICT_UNANSWERED:
	case VERDICT_NOT_FRAGMENTED:
	case VERDICT_EARLY:
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

/* What the programs of unusual packets return. The fuzzer's, which are called as functions, return the verdict. */
#ifndef END_UNUSUAL
#define END_UNUSUAL(verdict) action_of(verdict)
#endif

SEC("xdp.frags")
int unusual4(struct xdp_md *context)
{
	return END_UNUSUAL(uses(FEATURE_IPV4) ? direct_unusual(context, false) : VERDICT_NOT_OURS);
}

SEC("xdp.frags")
int unusual6(struct xdp_md *context)
{
	return END_UNUSUAL(uses(FEATURE_IPV6) ? direct_unusual(context, true) : VERDICT_NOT_OURS);
}

/* Tells the control plane the time of the flow tables. */
SEC("xdp")
int clock(struct xdp_md *context)
{
	return flow_now();
}
