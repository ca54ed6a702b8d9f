/** The commands that ipvsadm's command lines ask for, as data. */

import type { Family, IpAddress } from '../model/index.js';
import type { ProtocolName } from './names.js';

/** A service as a command line names it: an address, or a mark. */
export type ServiceArgument =
  | { readonly protocol: ProtocolName; readonly address: IpAddress; readonly port: number }
  | { readonly mark: number; readonly family: Family };

export interface PolicyArgument {
  /** Any name: the director knows which ones exist. */
  readonly scheduler: string;
  /** In the order of listings. */
  readonly flags: readonly string[];
  readonly persistence: { readonly timeout: number; readonly mask: IpAddress | number | undefined } | undefined;
  readonly onePacket: boolean;
  readonly engine: string | undefined;
}

export interface DestinationArgument {
  readonly address: IpAddress;
  /** As given, or the service's port if the service was named before. */
  readonly port: number;
  readonly forwarding: 'route' | 'tunnel' | 'masq';
  readonly weight: number;
  /** 0: no threshold. */
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
}

/** How a listing looks. */
export interface ListFormat {
  readonly numeric: boolean;
  readonly exact: boolean;
  readonly sorted: boolean;
  readonly columns: 'default' | 'stats' | 'rate' | 'thresholds' | 'persistent-conn' | 'tun-info';
}

export type Command =
  | { readonly kind: 'help' | 'version' }
  | { readonly kind: 'flush' }
  | { readonly kind: 'start-daemon' | 'stop-daemon' }
  | { readonly kind: 'restore' }
  | { readonly kind: 'list'; readonly service: ServiceArgument | undefined; readonly format: ListFormat }
  | { readonly kind: 'list-connections'; readonly numeric: boolean; readonly engines: boolean }
  | { readonly kind: 'list-timeouts' | 'list-daemons' }
  | { readonly kind: 'save'; readonly numeric: boolean }
  | { readonly kind: 'zero'; readonly service: ServiceArgument | undefined }
  | { readonly kind: 'delete-service'; readonly service: ServiceArgument }
  | {
      readonly kind: 'add-service' | 'edit-service';
      readonly service: ServiceArgument;
      readonly policy: PolicyArgument;
    }
  | {
      readonly kind: 'add-server' | 'edit-server' | 'delete-server';
      readonly service: ServiceArgument;
      readonly destination: DestinationArgument;
    }
  /** In seconds; 0 leaves a timeout unchanged. */
  | { readonly kind: 'set'; readonly tcp: number; readonly tcpFin: number; readonly udp: number };
