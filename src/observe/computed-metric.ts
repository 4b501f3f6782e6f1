/** A metric whose values are worked out when somebody asks for them. */

export type Labels = Readonly<Record<string, string | number>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
}

/** What prom-client's registry asks of a metric. Its own classes keep state, which the workers have already. */
export class ComputedMetric {
  readonly aggregator = 'sum';

  constructor(
    readonly type: 'counter' | 'gauge' | 'histogram',
    readonly name: string,
    readonly help: string,
    private readonly collect: () => readonly Sample[],
  ) {}

  async get() {
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values: this.collect() };
  }
}
