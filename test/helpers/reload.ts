/** Reloads of a gateway that runs, and what is said of them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { type ConfigText, type Gateway, type LogLine, renderConfig } from './gateway.js';

export interface ReloadAnswer {
  readonly status: number;
  readonly generation: number;
  readonly changes: readonly string[];
  readonly problems: readonly string[];
  readonly text: string;
}

/** As startGateway() does, with as many workers by default. */
export function writeConfig(gateway: Gateway, config: ConfigText | string, workers = 2): void {
  writeFileSync(gateway.file, renderConfig({ config, workers }));
}

export async function postReload(gateway: Gateway): Promise<ReloadAnswer> {
  const answer = await fetch(`${gateway.adminUrl}/api/reload`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  const text = await answer.text();
  const { generation, changes = [], problems = [] } = JSON.parse(text) as Partial<ReloadAnswer>;
  return { status: answer.status, generation: generation ?? 0, changes, problems, text };
}

/** Writes and reloads; fails unless it is in force then. */
export async function turnTo(
  gateway: Gateway,
  config: ConfigText,
  workers = 2,
): Promise<ReloadAnswer> {
  writeConfig(gateway, config, workers);
  const answer = await postReload(gateway);
  assert.equal(answer.status, 200, answer.text);
  return answer;
}

export function waitForReload(gateway: Gateway, generation: number): Promise<LogLine> {
  return gateway.waitForLog(
    (line) => line['msg'] === 'reloaded' && line['generation'] === generation,
  );
}
