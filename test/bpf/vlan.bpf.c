// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * VLAN tags for hosts of a lab whose kernel has no VLAN devices: pushed onto what leaves, taken off what arrives. What
 * arrives with another tag than expected, or with one too few or too many, is dropped.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual MIT/GPL";

static __always_inline int push(struct __sk_buff *skb, __u16 id)
{
	return skb->protocol == bpf_htons(ETH_P_IP) && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), id) ? TC_ACT_SHOT
													  : TC_ACT_OK;
}

static __always_inline int pop(struct __sk_buff *skb, __u16 id)
{
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return TC_ACT_OK;
	if (!skb->vlan_present || (skb->vlan_tci & 0xfff) != id)
		return TC_ACT_SHOT;
	return bpf_skb_vlan_pop(skb) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc")
int push10(struct __sk_buff *skb)
{
	return push(skb, 10);
}

SEC("tc")
int pop20(struct __sk_buff *skb)
{
	return pop(skb, 20);
}

/* Takes off the tag of what has it. */
SEC("tc")
int maybe10(struct __sk_buff *skb)
{
	return skb->vlan_present ? pop(skb, 10) : TC_ACT_OK;
}

SEC("tc")
int untagged(struct __sk_buff *skb)
{
	return skb->vlan_present ? TC_ACT_SHOT : TC_ACT_OK;
}
