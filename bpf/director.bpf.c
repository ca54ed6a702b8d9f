// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The director's data path, in the order in which a packet meets it: parse, match the service, pick the
 * destination, rewrite the MACs, count, send. Whatever is not for a service goes up to the host as it came.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "layout.h"
#include "maps.h"
#include "match.h"
#include "parse.h"
#include "send.h"
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

/*
 * A packet that is not for a service by its very port, or that cannot be scheduled: is it for a VIP at all, and has the
 * VIP a service for all ports? `schedulable` is a constant wherever this is inlined, so each copy is short.
 */
static __always_inline enum verdict direct_unmatched_ipv4(const struct services4 *services, const struct frame *frame,
							  const struct packet *packet, bool schedulable, __u32 copy)
{
	union key4 key = {.address = packet->ip->daddr, .protocol = VIP_MARK};
	struct match match;

	if (likely(!may_be_vip_ipv4(services, packet->ip->daddr)) || !match_ipv4(services, key, &match))
		return VERDICT_NOT_OURS;
	if (!schedulable)
		return count_verdict(NO_SERVICE, packet->verdict);
	key.protocol = packet->protocol;
	if (match.flags & wildcard_flag(packet) && match_ipv4(services, key, &match))
		return send_ipv4(frame, packet, &match, copy);
	return count_verdict(NO_SERVICE, VERDICT_NO_SERVICE);
}

static __always_inline enum verdict direct_ipv4(const struct frame *frame)
{
	__u32 copy = active_copy();
	const struct services4 *services = bpf_map_lookup_elem(&services4, &copy);
	struct packet packet = {};
	struct match match;

	if (!services)
		return VERDICT_NOT_OURS;
	if (unlikely(!parse_ipv4(frame, &packet)))
		return packet.ip ? direct_unmatched_ipv4(services, frame, &packet, false, copy) : VERDICT_NOT_OURS;

	const union key4 key = {
		.address = packet.ip->daddr,
		.port = packet.ports->destination,
		.protocol = packet.protocol,
	};
	if (match_ipv4(services, key, &match))
		return send_ipv4(frame, &packet, &match, copy);
	return direct_unmatched_ipv4(services, frame, &packet, true, copy);
}

/* Step for step what the two functions for IPv4 do. */
static __always_inline enum verdict direct_unmatched_ipv6(const struct services6 *services, const struct frame *frame,
							  const struct packet *packet, bool schedulable, __u32 copy)
{
	union key6 key = ipv6_key(packet->ip6, 0, VIP_MARK);
	struct match match;

	if (likely(!may_be_vip_ipv6(services, key.words)) || !match_ipv6(services, &key, &match))
		return VERDICT_NOT_OURS;
	if (!schedulable)
		return count_verdict(NO_SERVICE, packet->verdict);
	key.protocol = packet->protocol;
	if (match.flags & wildcard_flag(packet) && match_ipv6(services, &key, &match))
		return send_ipv6(frame, packet, &match, copy);
	return count_verdict(NO_SERVICE, VERDICT_NO_SERVICE);
}

static __always_inline enum verdict direct_ipv6(const struct frame *frame)
{
	__u32 copy = active_copy();
	const struct services6 *services = bpf_map_lookup_elem(&services6, &copy);
	struct packet packet = {};
	struct match match;

	if (!services)
		return VERDICT_NOT_OURS;
	if (unlikely(!parse_ipv6(frame, &packet)))
		return packet.ip6 ? direct_unmatched_ipv6(services, frame, &packet, false, copy) : VERDICT_NOT_OURS;

	const union key6 key = ipv6_key(packet.ip6, packet.ports->destination, packet.protocol);
	if (match_ipv6(services, &key, &match))
		return send_ipv6(frame, &packet, &match, copy);
	return direct_unmatched_ipv6(services, frame, &packet, true, copy);
}

static __always_inline enum verdict direct(struct xdp_md *context)
{
	const struct frame frame = {
		.start = (void *)(long)context->data,
		.end = (void *)(long)context->data_end,
	};

	if (frame.start + sizeof(struct ethhdr) > frame.end)
		return VERDICT_NOT_OURS;
	switch (ethertype(&frame)) {
	case bpf_htons(ETH_P_IP):
		return direct_ipv4(&frame);
	case bpf_htons(ETH_P_IPV6):
		return direct_ipv6(&frame);
	default:
		return VERDICT_NOT_OURS;
	}
}

/*
 * The program itself. `frags`: frames may be larger than a page, so drivers accept it with jumbo MTUs; headers are
 * always in the first part, which is all that is read (kernel 5.18).
 */
SEC("xdp.frags")
int director(struct xdp_md *context)
{
	return direct(context) == VERDICT_FORWARDED ? XDP_TX : XDP_PASS;
}
