/** An HTTP proxy that knows CONNECT alone, and writes down what it was asked. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export type ProxyAnswer = 'tunnel' | string;

export class ConnectProxy {
  /** The heads of the requests. */
  readonly heads: string[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server: Server;
  port = 0;

  private constructor(answerTo: (head: string) => ProxyAnswer | null) {
    this.#server = createServer((socket) => {
      this.#keep(socket);
      let head = '';
      const read = (bytes: Buffer): void => {
        head += bytes.toString('latin1');
        if (!head.endsWith('\r\n\r\n')) return;
        socket.off('data', read);
        this.heads.push(head);
        const answer = answerTo(head);
        if (answer === 'tunnel') this.#tunnel(socket, head);
        else if (answer !== null) socket.write(answer, 'latin1');
      };
      socket.on('data', read);
    });
  }

  /** @param answerTo the bytes of an answer, or `tunnel`; null: none. */
  static async start(
    answerTo: (head: string) => ProxyAnswer | null = () => 'tunnel',
  ): Promise<ConnectProxy> {
    const proxy = new ConnectProxy(answerTo);
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    const address = proxy.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    proxy.port = address.port;
    return proxy;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  /** Whatever the name, the provider is on this machine. */
  #tunnel(socket: Socket, head: string): void {
    const port = Number(/^CONNECT \S+:(\d+) HTTP\/1\.1\r\n/.exec(head)?.[1]);
    const onward = connect(port, '127.0.0.1', () => {
      // In two pieces, as it may come.
      socket.write('HTTP/1.1 200 Conn');
      setTimeout(() => {
        socket.write('ection established\r\nvia: test\r\n\r\n');
        socket.pipe(onward).pipe(socket);
      }, 5);
    });
    this.#keep(onward);
    socket.on('close', () => onward.destroy());
    onward.on('close', () => socket.destroy());
  }

  #keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
  }
}
