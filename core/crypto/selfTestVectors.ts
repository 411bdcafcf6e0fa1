/** Known answers for the start-up self-test. Small on purpose; the wide sets are in `test/`. */

/** HMAC with key "Jefe" over "what do ya want for nothing?". RFC 2202 §3 case 2 and RFC 4231 §4.3. */
export const hmacVectors = {
  key: '4a656665',
  data: '7768617420646f2079612077616e7420666f72206e6f7468696e673f',
  outputs: new Map([
    [2, 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79'],
    [5, '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
    [6, 'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649'],
    [
      7,
      '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
    ],
  ]),
} as const;

export interface RecordVector {
  readonly encr: string;
  readonly integ?: string;
  /** Key, then salt. */
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly plaintext: string;
  /** Ciphertext and ICV; for CBC the ciphertext alone, since no RFC gives it together with a MAC. */
  readonly sealed: string;
}

const gcmText =
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39';
const gcmAad = 'feedfacedeadbeeffeedfacedeadbeefabaddad2';
const gcm128Sealed =
  '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091' +
  '5bc94fbc3221a5db94fae95ae7121a47';

export const recordVectors: readonly RecordVector[] = [
  // McGrew and Viega, "The Galois/Counter Mode of Operation", test case 4 (the vectors RFC 4106 §9 points to).
  {
    encr: 'aes128gcm16',
    key: 'feffe9928665731c6d6a8f9467308308cafebabe',
    iv: 'facedbaddecaf888',
    aad: gcmAad,
    plaintext: gcmText,
    sealed: gcm128Sealed,
  },
  // The same with the tag cut to eight octets.
  {
    encr: 'aes128gcm8',
    key: 'feffe9928665731c6d6a8f9467308308cafebabe',
    iv: 'facedbaddecaf888',
    aad: gcmAad,
    plaintext: gcmText,
    sealed: gcm128Sealed.slice(0, -16),
  },
  // Test case 16 of the same.
  {
    encr: 'aes256gcm16',
    key: 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308cafebabe',
    iv: 'facedbaddecaf888',
    aad: gcmAad,
    plaintext: gcmText,
    sealed:
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662' +
      '76fc6ece0f4e1768cddf8853bb2d551b',
  },
  // RFC 7634 Appendix B: an IKEv2 INFORMATIONAL request.
  {
    encr: 'chacha20poly1305',
    key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3',
    iv: '1011121314151617',
    aad: 'c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029',
    plaintext: '0000000c000040010000000a00',
    sealed: '610394701f8d017f7c129248896b71bfe25236efd7cdc67066906315b2',
  },
  // RFC 3602 §4 case 4.
  {
    encr: 'aes128',
    integ: 'sha256',
    key: '56e47a38c5598974bc46903dba290349',
    iv: '8ce82eefbea0da3c44699ed7db51b7d9',
    aad: '',
    plaintext:
      'a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf',
    sealed:
      'c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55',
  },
];

export interface KeyExchangeVector {
  readonly id: number;
  /** What `random` gives, padded with zeros on the left to the octets asked for. For curves over x and y it is the private key less one. */
  readonly random: string;
  /** The peer's public value; without it our own, so that the secret is g^(x²). */
  readonly peer?: string;
  /** The last 16 octets of our public value and of the shared secret. */
  readonly publicTail: string;
  readonly sharedTail: string;
  /** The responder encapsulates, which is tried as well. */
  readonly kem?: true;
}

export const keyExchangeVectors: readonly KeyExchangeVector[] = [
  // RFC 8031 Appendix A.
  {
    id: 31,
    random: '751fb4308655b476b6789b7325f9ea8cddd16a58533ff6d9e60009464a5f9d94',
    peer: '0be7c1f5aad87d7e448662673298a443478b859745179eaf564c79c0ef6eee25',
    publicTail: 'a4e81c089384fa77f790709f0dfbc766',
    sharedTail: '68b7f8319a9e3708ed3d43ce8130c950',
  },
  // RFC 5903 §8.1, §8.2, §8.3.
  {
    id: 19,
    random: 'c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1432',
    peer: 'd12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf6356fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab',
    publicTail: 'b1f45b33accf5f58389e0577b8990bb3',
    sharedTail: '2fef8e9ece7dce03812464d04b9442de',
  },
  {
    id: 20,
    random: '099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab193',
    peer:
      'e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571' +
      'dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c',
    publicTail: 'eb9fcff3c2c947dae69b4c634573a81c',
    sharedTail: 'd603135569b9e9d09cf5d4a270f59746',
  },
  {
    id: 21,
    random:
      '37ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a51',
    peer:
      '00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c356436adc6e95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9460f' +
      '015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d9852077b87220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a',
    publicTail: '1a6a7f1507438bf01beb6ca3926f9582',
    sharedTail: '15a3a8cc3151f2bee417996d19f3ddea',
  },
  // Private value: SHA-256 of "sallyport self-test" and the top bit our exponents have; answers by plain big-integer powers.
  {
    id: 14,
    random: '58f01d19f71f9e69f9e0723dbc1cdd6e147bdeb7acf23a872c3aa880bec71911',
    publicTail: '41f7c65a35dde63d7bb3bbe75b829103',
    sharedTail: '65b70e610a5a91ed40a8abd8bd263688',
  },
  // Private value: the same octets; answers by OpenSSL 3.5.8.
  {
    id: 28,
    random: '58f01d19f71f9e69f9e0723dbc1cdd6e147bdeb7acf23a872c3aa880bec71910',
    publicTail: 'e33fedec55de80c59ec6774a8c37bf2b',
    sharedTail: 'f00db779263849486acac2469b55de4e',
  },
  {
    id: 29,
    random: '58f01d19f71f9e69f9e0723dbc1cdd6e147bdeb7acf23a872c3aa880bec71910',
    publicTail: '57548bb01ee5da4cf255eceb117bfc8c',
    sharedTail: 'a93927c8aef20e9268cd5d3bc155f084',
  },
  {
    id: 30,
    random: '58f01d19f71f9e69f9e0723dbc1cdd6e147bdeb7acf23a872c3aa880bec71910',
    publicTail: '23591fddf34b5b9217e1e66dd3a3e92b',
    sharedTail: '3af0962d0f1e336dffbadff0bd5ed404',
  },
  // RFC 7748 §6.2.
  {
    id: 32,
    random: '9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b',
    peer: '3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609',
    publicTail: '0c5b12da88120d53177f80e532c41fa0',
    sharedTail: '521c24403085d59a449a5037514a879d',
  },
  ...mlkemVectors(),
];

/**
 * Seed and encapsulation key: case 2 of Wycheproof's mlkem_512_test, mlkem_768_test and mlkem_1024_test. The ciphertext is all zeros, which
 * nobody encapsulated, so the answer is that of implicit rejection: SHAKE256(z | ciphertext) of 32 octets (FIPS 203 §6.3).
 */
function mlkemVectors(): readonly KeyExchangeVector[] {
  const random =
    '7c9935a0b07694aa0c6d10e4db6b1add2fd81a25ccb148032dcd739936737f2d8626ed79d451140800e03b59b956f8210e556067407d13dc90fa9e8b872bfb8f';
  const vector = (id: number, octets: number, publicTail: string, sharedTail: string): KeyExchangeVector => {
    return { id, random, peer: '00'.repeat(octets), publicTail, sharedTail, kem: true };
  };
  return [
    vector(35, 768, 'ce9921aa9e22448819585dea308eb039', '394d1c29c1d6e595867219814f7aaee5'),
    vector(36, 1088, 'c4e8315f2af0d32f0017ae136e19f028', '9498afcd898270ebfcf27ea69f45e96e'),
    vector(37, 1568, 'ad04cc752bc20c394746850e0c4847db', '4e49e5885a385576d5dee5c48f149274'),
  ];
}
