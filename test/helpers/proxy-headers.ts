/** Headers of the PROXY protocol, made by hand from its text. */

/** 192.0.2.1:1024 to 192.0.2.2:443. */
export const TCP_4 = Buffer.from('c0000201c0000202040001bb', 'hex');

/** [2001:db8::1]:1024 to [2001:db8::2]:443. */
export const TCP_6 = Buffer.from(
  '20010db800000000000000000000000120010db8000000000000000000000002040001bb',
  'hex',
);

export const V1 = 'PROXY TCP4 192.0.2.1 192.0.2.2 1024 443\r\n';

export interface Version2 {
  readonly version?: number;
  /** 0: LOCAL, 1: PROXY. */
  readonly command?: number;
  /** 0x11: TCP over IPv4. */
  readonly family?: number;
  readonly address: Buffer;
  /** Of one field behind the address, of the type that is to be ignored (PP2_TYPE_NOOP); 0: none. */
  readonly tlvBytes?: number;
}

export function version2({
  version = 2,
  command = 1,
  family = 0x11,
  address,
  tlvBytes = 0,
}: Version2): Buffer {
  const tlv = Buffer.alloc(tlvBytes);
  if (tlvBytes > 0) {
    tlv[0] = 0x04;
    tlv.writeUInt16BE(tlvBytes - 3, 1);
  }
  const fixed = Buffer.alloc(16);
  fixed.write('0d0a0d0a000d0a515549540a', 'hex');
  fixed[12] = (version << 4) | command;
  fixed[13] = family;
  fixed.writeUInt16BE(address.length + tlvBytes, 14);
  return Buffer.concat([fixed, address, tlv]);
}
