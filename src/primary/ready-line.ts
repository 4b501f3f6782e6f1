/** The line that says that Weir serves, and what an operator should know at that moment. */
import { formatAddress } from '../config/address.js';
import type { ListenAddress, WeirConfig } from '../config/model.js';
import type { Logger } from '../observe/logger.js';
import type { AcceptMode } from './acceptor.js';
import { migratesRequests } from './migrate-req.js';

export interface ReadyFacts {
  readonly config: WeirConfig;
  readonly version: string;
  readonly mode: AcceptMode;
  /** In use; the system may have chosen the port. */
  readonly listen: ListenAddress;
  readonly admin: ListenAddress;
  readonly startMs: number;
  readonly isSupervised: boolean;
}

export function sayReady(logger: Logger, facts: ReadyFacts): void {
  const { config } = facts;
  logger.info(
    {
      listen: formatAddress(facts.listen),
      admin: formatAddress(facts.admin),
      tls: config.listen.tls !== null,
      workers: config.workers,
      accept: facts.mode,
      providers: config.providers.map(({ name }) => name),
      models: config.models.length,
      consumers: config.consumers?.length ?? 0,
      config: config.file,
      version: facts.version,
      node: process.versions.node,
      pid: process.pid,
      start_ms: Math.round(facts.startMs),
    },
    'ready',
  );
  if (facts.isSupervised && !migratesRequests()) {
    logger.info(
      'net.ipv4.tcp_migrate_req is not 1: an upgrade may reset connections that just come in (docs/operations.md)',
    );
  }
}
