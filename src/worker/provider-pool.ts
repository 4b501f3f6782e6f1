/**
 * One worker's providers. Generations whose configuration of a provider is the same share it, and with it its open
 * connections; one that no generation uses any more is closed.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ProviderConfig, TlsMaterial } from '../config/model.js';
import type { Deadlines } from '../core/deadlines.js';
import { Provider, type ProviderEvents, type ProviderShare } from '../upstream/provider.js';

/** What a provider is made of: two that are equal in all of it are one. */
export interface ProviderSpec {
  readonly config: ProviderConfig;
  readonly share: ProviderShare;
  /** What the files of `tls` hold. */
  readonly tls: TlsMaterial | null;
}

interface Member {
  readonly spec: ProviderSpec;
  readonly provider: Provider;
  users: number;
}

export class ProviderPool {
  readonly #deadlines: Deadlines;
  readonly #members: Member[] = [];

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  /** To be given back once; `events` are used only where the provider is new. */
  take(spec: ProviderSpec, events: ProviderEvents): Provider {
    let member = this.#members.find((known) => isDeepStrictEqual(known.spec, spec));
    if (member === undefined) {
      const { config, share, tls } = spec;
      const provider = new Provider(config, share, this.#deadlines, events, { tls });
      member = { spec, provider, users: 0 };
      this.#members.push(member);
    }
    member.users += 1;
    return member.provider;
  }

  giveBack(provider: Provider): void {
    const at = this.#members.findIndex((member) => member.provider === provider);
    const member = this.#members[at];
    if (member === undefined) {
      return;
    }
    member.users -= 1;
    if (member.users === 0) {
      this.#members.splice(at, 1);
      provider.close();
    }
  }

  close(): void {
    for (const { provider } of this.#members.splice(0)) {
      provider.close();
    }
  }
}
