/** Tables that are filled anew each second: sorted by the column that was chosen, and left alone while nothing changes. */

export interface Cell {
  readonly text: string;
  /** What the column is sorted by; the text where left out. */
  readonly order?: number | string;
  readonly tone?: 'good' | 'warn' | 'bad' | undefined;
  readonly title?: string;
  /** A bar from 0 to 1 beside the text. */
  readonly share?: number;
  /** A bar that is divided; `kind` chooses the colour. */
  readonly parts?: readonly {
    readonly name: string;
    readonly share: number;
    readonly kind: number;
  }[];
}

export interface Column {
  readonly name: string;
  readonly isText?: boolean;
}

export class SortedTable {
  readonly #table: HTMLTableElement;
  readonly #columns: readonly Column[];
  readonly #empty: string;
  readonly #body = document.createElement('tbody');
  readonly #heads: HTMLTableCellElement[];
  #rows: readonly (readonly Cell[])[] = [];
  #sortedBy: number;
  #isDescending: boolean;

  /** @param empty what stands there while there is no row. */
  constructor(
    table: HTMLTableElement,
    columns: readonly Column[],
    sortedBy: number,
    empty: string,
  ) {
    this.#table = table;
    this.#columns = columns;
    this.#sortedBy = sortedBy;
    this.#isDescending = columns[sortedBy]?.isText !== true;
    this.#empty = empty;
    const row = document.createElement('tr');
    this.#heads = columns.map(({ name, isText }, index) => {
      const head = document.createElement('th');
      head.scope = 'col';
      if (isText === true) head.className = 'text';
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = name;
      button.addEventListener('click', () => this.#choose(index));
      head.append(button);
      row.append(head);
      return head;
    });
    const head = document.createElement('thead');
    head.append(row);
    table.replaceChildren(head, this.#body);
    this.show([]);
  }

  show(rows: readonly (readonly Cell[])[]): void {
    this.#rows = rows;
    this.#draw();
  }

  sortBy(index: number, isDescending: boolean): void {
    this.#isDescending = isDescending;
    this.#sortedBy = index;
    this.#draw();
  }

  #choose(index: number): void {
    const isAgain = index === this.#sortedBy;
    this.sortBy(index, isAgain ? !this.#isDescending : this.#columns[index]?.isText !== true);
  }

  #draw(): void {
    const { scrollTop } = this.#table.parentElement ?? { scrollTop: 0 };
    this.#heads.forEach((head, index) => {
      const direction = this.#isDescending ? 'descending' : 'ascending';
      head.setAttribute('aria-sort', index === this.#sortedBy ? direction : 'none');
    });
    const sorted = [...this.#rows].sort((a, b) => {
      const order = compareCells(a[this.#sortedBy], b[this.#sortedBy]);
      return this.#isDescending ? -order : order;
    });
    this.#body.replaceChildren(
      ...(sorted.length === 0 ? [this.#drawEmpty()] : sorted.map((cells) => this.#drawRow(cells))),
    );
    this.#table.parentElement?.scrollTo({ top: scrollTop });
  }

  #drawEmpty(): HTMLTableRowElement {
    const row = document.createElement('tr');
    const cell = document.createElement('td');
    cell.className = 'empty';
    cell.colSpan = this.#columns.length;
    cell.textContent = this.#empty;
    row.append(cell);
    return row;
  }

  #drawRow(cells: readonly Cell[]): HTMLTableRowElement {
    const row = document.createElement('tr');
    cells.forEach(({ text, tone, title, share, parts }, index) => {
      const cell = document.createElement('td');
      if (this.#columns[index]?.isText === true) cell.classList.add('text');
      if (tone !== undefined) cell.classList.add(tone);
      if (title !== undefined) cell.title = title;
      cell.textContent = text;
      if (share !== undefined) {
        const meter = document.createElement('meter');
        meter.low = 0.1;
        meter.high = 0.25;
        meter.optimum = 1;
        meter.value = share;
        cell.prepend(meter, ' ');
      }
      if (parts !== undefined) cell.append(drawParts(parts));
      row.append(cell);
    });
    return row;
  }
}

function drawParts(parts: NonNullable<Cell['parts']>): HTMLElement {
  const bar = document.createElement('div');
  bar.className = 'parts';
  bar.setAttribute('role', 'img');
  bar.setAttribute('aria-label', parts.map(({ name }) => name).join(', '));
  bar.title = parts.map(({ name }) => name).join('\n');
  for (const { share, kind } of parts) {
    const part = document.createElement('span');
    part.className = `part-${kind}`;
    part.style.flexGrow = String(share);
    bar.append(part);
  }
  return bar;
}

function compareCells(a: Cell | undefined, b: Cell | undefined): number {
  const [x, y] = [a?.order ?? a?.text ?? '', b?.order ?? b?.text ?? ''];
  if (typeof x === 'number' && typeof y === 'number') return x - y;
  return String(x).localeCompare(String(y));
}
