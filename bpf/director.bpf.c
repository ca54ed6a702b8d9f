// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The director's data path, in the order in which a packet meets it: parse, match the service, pick the
 * destination, rewrite the MACs, count, send. Whatever is not for a service goes up to the host as it came.
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

/* VIPs' traffic that is for no service is counted under this number. */
#define NO_SERVICE 0

/* The flag on a VIP's mark that says: a service for every port exists, for this protocol. */
static __always_inline __u8 wildcard_flag(const struct packet *packet)
{
	return packet->protocol == IPPROTO_TCP ? SERVICE_WILDCARD_TCP : SERVICE_WILDCARD_UDP;
}

/* A packet that is not for a service by its very port: is it for a VIP at all, and has that a service for all ports? */
static __always_inline enum verdict direct_unmatched_ipv4(struct xdp_md *context, const struct services4 *services,
							  const struct frame *frame, const struct packet *packet,
							  __u32 copy, bool lean)
{
	union key4 key = {.address = packet->ip->daddr, .protocol = VIP_MARK};
	const struct match *match;

	if (likely(!may_be_vip_ipv4(services, packet->ip->daddr)) || !(match = match_ipv4(services, key)))
		return VERDICT_NOT_OURS;
	key.protocol = packet->protocol;
	if (match->flags & wildcard_flag(packet) && (match = match_ipv4(services, key)))
		return send_ipv4(context, frame, packet, match, copy, lean);
	return count_verdict(NO_SERVICE, VERDICT_NO_SERVICE);
}

static __always_inline enum verdict direct_plain_ipv4(struct xdp_md *context, const struct frame *frame,
						      const struct packet *packet, bool lean)
{
	__u32 copy = active_copy();
	const struct services4 *services = bpf_map_lookup_elem(&services4, &copy);
	const struct match *match;

	if (!services)
		return VERDICT_NOT_OURS;
	const union key4 key = {
		.address = packet->ip->daddr,
		.port = packet->ports->destination,
		.protocol = packet->protocol,
	};
	if ((match = match_ipv4(services, key)))
		return send_ipv4(context, frame, packet, match, copy, lean);
	return direct_unmatched_ipv4(context, services, frame, packet, copy, lean);
}

/* Step for step what the two functions for IPv4 do. */
static __always_inline enum verdict direct_unmatched_ipv6(struct xdp_md *context, const struct services6 *services,
							  const struct frame *frame, const struct packet *packet,
							  __u32 copy, bool lean)
{
	union key6 key = ipv6_key(packet->ip6, 0, VIP_MARK);
	const struct match *match;

	if (likely(!may_be_vip_ipv6(services, key.words)) || !(match = match_ipv6(services, &key)))
		return VERDICT_NOT_OURS;
	key.protocol = packet->protocol;
	if (match->flags & wildcard_flag(packet) && (match = match_ipv6(services, &key)))
		return send_ipv6(context, frame, packet, match, copy, lean);
	return count_verdict(NO_SERVICE, VERDICT_NO_SERVICE);
}

static __always_inline enum verdict direct_plain_ipv6(struct xdp_md *context, const struct frame *frame,
						      const struct packet *packet, bool lean)
{
	__u32 copy = active_copy();
	const struct services6 *services = bpf_map_lookup_elem(&services6, &copy);
	const struct match *match;

	if (!services)
		return VERDICT_NOT_OURS;
	const union key6 key = ipv6_key(packet->ip6, packet->ports->destination, packet->protocol);
	if ((match = match_ipv6(services, &key)))
		return send_ipv6(context, frame, packet, match, copy, lean);
	return direct_unmatched_ipv6(context, services, frame, packet, copy, lean);
}

/*
 * An IPv4 packet that is not plain. Whether it is for a VIP is asked first, so that other hosts' traffic is let go
 * soon; then what stands against scheduling it; then which service it is for.
 */
static __always_inline enum verdict direct_unusual_ipv4(struct xdp_md *context, const struct frame *frame)
{
	__u32 copy = active_copy();
	const struct services4 *services = bpf_map_lookup_elem(&services4, &copy);
	__u32 network = sizeof(struct ethhdr) + frame->tags * TAG_BYTES;
	const struct iphdr *ip = at(frame, network, sizeof(*ip));
	struct packet packet = {.ip = ip};
	struct payload payload = {};
	struct ports room = {};
	const struct match *match, *vip;

	if (!services || !ip)
		return VERDICT_NOT_OURS;
	union key4 key = {.address = ip->daddr, .protocol = VIP_MARK};
	if (likely(!may_be_vip_ipv4(services, ip->daddr)) || !(vip = match_ipv4(services, key)))
		return VERDICT_NOT_OURS;

	packet.client = &ip->saddr;
	enum verdict verdict = walk_ipv4(ip, network, &payload);
	if (verdict == VERDICT_FORWARDED)
		verdict = parse_ipv4_payload(frame, &payload, &packet, &room);
	if (verdict != VERDICT_FORWARDED)
		return count_verdict(NO_SERVICE, verdict);

	key.port = packet.ports->destination;
	key.protocol = packet.protocol;
	if (!(match = match_ipv4(services, key))) {
		key.port = 0;
		if (!(vip->flags & wildcard_flag(&packet)) || !(match = match_ipv4(services, key)))
			return count_verdict(NO_SERVICE, VERDICT_NO_SERVICE);
	}
	NOTE_STEP(payload.first_fragment ? TRACE_FIRST_FRAGMENT : 0);
	NOTE_STEP(payload.later_fragment ? TRACE_LATER_FRAGMENT : 0);
	if (payload.first_fragment)
		store_fragment4(ip, packet.ports);
	return send_ipv4(context, frame, &packet, match, copy, false);
}

static __always_inline enum verdict direct_unusual_ipv6(struct xdp_md *context, const struct frame *frame)
{
	__u32 copy = active_copy();
	const struct services6 *services = bpf_map_lookup_elem(&services6, &copy);
	__u32 network = sizeof(struct ethhdr) + frame->tags * TAG_BYTES;
	const struct ipv6hdr *ip6 = at(frame, network, sizeof(*ip6));
	struct packet packet = {.ip6 = ip6};
	struct payload payload = {};
	struct ports room = {};
	const struct match *match, *vip;

	if (!services || !ip6)
		return VERDICT_NOT_OURS;
	union key6 key = ipv6_key(ip6, 0, VIP_MARK);
	if (likely(!may_be_vip_ipv6(services, key.words)) || !(vip = match_ipv6(services, &key)))
		return VERDICT_NOT_OURS;

	packet.client = &ip6->saddr;
	enum verdict verdict =
		ip6->version == 6 ? walk_ipv6(frame, network, ip6->nexthdr, &payload) : VERDICT_MALFORMED;
	if (verdict == VERDICT_FORWARDED)
		verdict = parse_ipv6_payload(frame, &payload, &packet, &room);
	if (verdict != VERDICT_FORWARDED)
		return count_verdict(NO_SERVICE, verdict);

	key.port = packet.ports->destination;
	key.protocol = packet.protocol;
	if (!(match = match_ipv6(services, &key))) {
		key.port = 0;
		if (!(vip->flags & wildcard_flag(&packet)) || !(match = match_ipv6(services, &key)))
			return count_verdict(NO_SERVICE, VERDICT_NO_SERVICE);
	}
	NOTE_STEP(payload.first_fragment ? TRACE_FIRST_FRAGMENT : 0);
	NOTE_STEP(payload.later_fragment ? TRACE_LATER_FRAGMENT : 0);
	if (payload.first_fragment)
		store_fragment6(ip6, payload.id, packet.ports, packet.protocol);
	return send_ipv6(context, frame, &packet, match, copy, false);
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
		return uses(FEATURE_IPV4) ? direct_unusual_ipv4(context, &frame) : VERDICT_NOT_OURS;
	case bpf_htons(ETH_P_IPV6):
		return uses(FEATURE_IPV6) ? direct_unusual_ipv6(context, &frame) : VERDICT_NOT_OURS;
	default:
		return VERDICT_NOT_OURS;
	}
}

/* What direct_plain() says of packets that are not: no verdict, and never counted. */
#define NOT_PLAIN VERDICT_COUNT

/* `lean` is a constant wherever this is inlined: see send(). */
static __always_inline enum verdict direct_plain(struct xdp_md *context, bool lean)
{
	const struct frame frame = {
		.start = (void *)(long)context->data,
		.end = (void *)(long)context->data_end,
	};
	struct packet packet = {};

	if (frame.start + sizeof(struct ethhdr) > frame.end)
		return VERDICT_NOT_OURS;
	switch (ethertype(&frame)) {
	case bpf_htons(ETH_P_IP):
		/* FEATURE_IPV4 is not asked for, a branch less: without IPv4 services nothing is found anyway. */
		if (likely(parse_plain_ipv4(&frame, &packet)))
			return direct_plain_ipv4(context, &frame, &packet, lean);
		break;
	case bpf_htons(ETH_P_IPV6):
		if (uses(FEATURE_IPV6) && likely(parse_plain_ipv6(&frame, &packet)))
			return direct_plain_ipv6(context, &frame, &packet, lean);
		break;
	case bpf_htons(ETH_P_8021Q):
	case bpf_htons(ETH_P_8021AD):
		break;
	default:
		return VERDICT_NOT_OURS;
	}
	return NOT_PLAIN;
}

static __always_inline enum verdict direct(struct xdp_md *context)
{
	enum verdict verdict =
		uses(FEATURES_OF_WHOLE_PATH) ? direct_plain(context, false) : direct_plain(context, true);

	return likely(verdict != NOT_PLAIN) ? verdict : direct_unusual(context);
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
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

/*
 * The program itself. `frags`: frames may be larger than a page, so drivers accept it with jumbo MTUs; headers are
 * always in the first part, which is all that is read (kernel 5.18).
 */
SEC("xdp.frags")
int director(struct xdp_md *context)
{
	return action_of(direct(context));
}

/* Tells the control plane what time it is in the tables of flows. */
SEC("xdp")
int clock(struct xdp_md *context)
{
	return flow_now();
}
