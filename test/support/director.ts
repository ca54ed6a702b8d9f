/** A director without an interface: the real program and maps, run by BPF_PROG_RUN. */

import { Publisher } from '../../src/dataplane/index.js';
import { type Compilable, compile, type Image } from '../../src/image/index.js';
import { XdpAction } from '../../src/libbpf/index.js';
import type { IpAddress, Model, Resolution, Service, World } from '../../src/model/index.js';
import { type Decision, Oracle } from '../../src/oracle/index.js';
import { worldOf } from './models.js';
import { createSet, reloadSet } from './set-pool.js';

/** The XDP action for a frame, and the frame as the program left it. */
export interface SentFrame {
  readonly action: keyof typeof XdpAction;
  readonly frame: Uint8Array;
}

export class PacketDirector implements Disposable {
  readonly publisher: Publisher;
  /** Adds to each image what flows of before need, as the data path does. */
  past: (image: Image) => Image = (image) => image;
  #oracle: Oracle | undefined;

  /** @param install called where the daemon would attach a program to interfaces */
  constructor(install: () => void = () => undefined) {
    this.publisher = new Publisher({
      create: createSet,
      reload: reloadSet,
      install,
      destinationRestMs: 0,
    });
  }

  /** Makes a director with services. All real servers are resolved, except as `except` says. */
  static async with(
    services: readonly Service[],
    except: Readonly<Record<IpAddress, Resolution>> = {},
    flows?: Model['flows'],
  ): Promise<PacketDirector> {
    const director = new PacketDirector();
    await director.publish(services, except, flows);
    return director;
  }

  async publish(
    services: readonly Service[],
    except: Readonly<Record<IpAddress, Resolution>> = {},
    flows?: Model['flows'],
  ): Promise<Image> {
    return this.publishModel({ services, flows }, worldOf(services, except));
  }

  async publishModel(model: Compilable, world: World): Promise<Image> {
    await this.publisher.publish(this.past(compile(model, world)));
    const image = this.publisher.image!;
    this.#oracle = new Oracle(image, this.#oracle);
    return image;
  }

  /** Runs the program on a frame. */
  send(frame: Uint8Array): SentFrame {
    const { returnValue, data } = this.publisher.set!.program.run({ data: frame });
    const action = (Object.keys(XdpAction) as (keyof typeof XdpAction)[]).find(
      (name) => XdpAction[name] === returnValue,
    );
    return { action: action!, frame: new Uint8Array(data) };
  }

  /** Returns the oracle's decision. The oracle keeps state, so call this once for each frame that is sent. */
  expect(frame: Uint8Array): Decision {
    return this.#oracle!.decide(frame);
  }

  /** Returns the counts of a service's verdicts; without a name, of VIPs' packets for no service. */
  verdicts(service?: string): Partial<Record<string, number>> {
    const { services, noService } = this.publisher.counters();
    return service === undefined ? noService : services.find(({ name }) => name === service)!.verdicts;
  }

  close(): void {
    this.publisher.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
