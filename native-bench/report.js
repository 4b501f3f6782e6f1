/** The same results three times: a table for the terminal, Markdown for people, JSON for later. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { REPOSITORY_DIR, SCENARIO_NAMES } from './options.js';
import { renderPlots } from './plots.js';
import { FIGURE_HEAD, figureRows, JUDGED_HEAD, judgedCells } from './report-cells.js';
import { renderMarkdown } from './report-markdown.js';
import { OUT_DIR } from './tools.js';

/** @typedef {import('./scenarios/context.js').ScenarioResult} ScenarioResult */
/** @typedef {{ machine: import('./tools.js').Machine, options: import('./options.js').Options, results: ScenarioResult[] }} Report */

/** @param {string[][]} rows */
function alignColumns(rows) {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** @param {Report} report */
export function renderText({ results }) {
  const parts = results.map(
    (result) =>
      `${result.name}: ${result.how}\n\n${alignColumns([FIGURE_HEAD, ...figureRows(result)])}\n`,
  );
  const judged = results.flatMap((result) => result.judged.map(judgedCells));
  return `${parts.join('\n')}\n${alignColumns([JUDGED_HEAD, ...judged])}\n`;
}

/** @param {Report} report @param {string} directory */
function plotFiles({ results }, directory) {
  return results
    .flatMap(renderPlots)
    .map(({ file, svg }) => ({ file: path.join(directory, file), text: svg }));
}

/** Without the directories of whoever ran it. @param {Report} report */
function describeOptions({ options: { rounds, seconds, quick, streams } }) {
  return { rounds, seconds, quick, streams };
}

/** @param {Report} report @returns {string[]} the files written */
export function writeReport(report) {
  mkdirSync(OUT_DIR, { recursive: true });
  const files = [
    { file: path.join(OUT_DIR, 'results.json'), text: `${JSON.stringify(report, null, 2)}\n` },
    { file: path.join(OUT_DIR, 'report.md'), text: renderMarkdown(report, null, '') },
    ...plotFiles(report, OUT_DIR),
  ];
  if (report.options.writeDocs) {
    const file = path.join(REPOSITORY_DIR, 'docs/benchmarks.md');
    const isWhole = SCENARIO_NAMES.every((name) => report.options.only.includes(name));
    const earlier = isWhole || !existsSync(file) ? null : readFileSync(file, 'utf8');
    const beside = path.join(REPOSITORY_DIR, 'docs/benchmarks');
    files.push(
      { file, text: renderMarkdown(report, earlier, 'benchmarks/') },
      ...plotFiles(report, beside),
      ...report.results.map((result) => ({
        file: path.join(beside, `${result.name}.json`),
        text: `${JSON.stringify({ machine: report.machine, options: describeOptions(report), ...result })}\n`,
      })),
    );
  }
  for (const { file, text } of files) {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return files.map(({ file }) => file);
}
