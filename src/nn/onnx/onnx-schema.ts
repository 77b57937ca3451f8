/**
 * The messages of ONNX files that are read and written here, as a table that the scanner, the reader and the writer of
 * wire-format.ts walk. Field numbers are those of onnx.proto (ONNX IR specification, IR version 13); fields that are not
 * listed are skipped.
 */

/** What stands on the wire: `int` a 64-bit varint, `float` 32 bits, `double` 64 bits. */
export type FieldKind = 'int' | 'float' | 'double' | 'string' | 'bytes' | 'message';

export interface FieldSchema {
  readonly name: string;
  readonly kind: FieldKind;
  readonly repeated?: boolean;
  readonly message?: MessageName;
}

export type MessageName =
  | 'model'
  | 'operatorSet'
  | 'graph'
  | 'node'
  | 'attribute'
  | 'tensor'
  | 'sparseTensor'
  | 'valueInfo'
  | 'type'
  | 'tensorType'
  | 'tensorShape'
  | 'dimension'
  | 'function'
  | 'entry';

const one = (name: string, kind: FieldKind): FieldSchema => ({ name, kind });
const many = (name: string, kind: FieldKind): FieldSchema => ({ name, kind, repeated: true });
const message = (name: string, of: MessageName): FieldSchema => ({ name, kind: 'message', message: of });
const messages = (name: string, of: MessageName): FieldSchema => ({ ...message(name, of), repeated: true });

export const ONNX_SCHEMA: Readonly<Record<MessageName, Readonly<Record<number, FieldSchema>>>> = {
  model: {
    1: one('irVersion', 'int'),
    2: one('producerName', 'string'),
    3: one('producerVersion', 'string'),
    7: message('graph', 'graph'),
    8: messages('opsetImport', 'operatorSet'),
    14: messages('metadata', 'entry'),
    25: messages('functions', 'function'),
  },
  operatorSet: { 1: one('domain', 'string'), 2: one('version', 'int') },
  graph: {
    1: messages('nodes', 'node'),
    2: one('name', 'string'),
    5: messages('initializers', 'tensor'),
    11: messages('inputs', 'valueInfo'),
    12: messages('outputs', 'valueInfo'),
    13: messages('valueInfo', 'valueInfo'),
    15: messages('sparseInitializers', 'sparseTensor'),
  },
  node: {
    1: many('inputs', 'string'),
    2: many('outputs', 'string'),
    3: one('name', 'string'),
    4: one('opType', 'string'),
    5: messages('attributes', 'attribute'),
    7: one('domain', 'string'),
    8: one('overload', 'string'),
  },
  attribute: {
    1: one('name', 'string'),
    2: one('f', 'float'),
    3: one('i', 'int'),
    4: one('s', 'bytes'),
    5: message('t', 'tensor'),
    6: message('g', 'graph'),
    7: many('floats', 'float'),
    8: many('ints', 'int'),
    9: many('strings', 'bytes'),
    10: messages('tensors', 'tensor'),
    11: messages('graphs', 'graph'),
    20: one('type', 'int'),
    21: one('refAttrName', 'string'),
    22: message('sparseTensor', 'sparseTensor'),
  },
  tensor: {
    1: many('dims', 'int'),
    2: one('dataType', 'int'),
    4: many('floatData', 'float'),
    5: many('int32Data', 'int'),
    6: many('stringData', 'bytes'),
    7: many('int64Data', 'int'),
    8: one('name', 'string'),
    9: one('rawData', 'bytes'),
    10: many('doubleData', 'double'),
    11: many('uint64Data', 'int'),
    13: messages('externalData', 'entry'),
    14: one('dataLocation', 'int'),
  },
  sparseTensor: { 1: message('values', 'tensor'), 2: message('indices', 'tensor'), 3: many('dims', 'int') },
  valueInfo: { 1: one('name', 'string'), 2: message('type', 'type') },
  type: { 1: message('tensorType', 'tensorType') },
  tensorType: { 1: one('elemType', 'int'), 2: message('shape', 'tensorShape') },
  tensorShape: { 1: messages('dims', 'dimension') },
  dimension: { 1: one('value', 'int'), 2: one('parameter', 'string') },
  function: {
    1: one('name', 'string'),
    4: many('inputs', 'string'),
    5: many('outputs', 'string'),
    7: messages('nodes', 'node'),
    9: messages('opsetImport', 'operatorSet'),
    10: one('domain', 'string'),
    11: messages('attributeDefaults', 'attribute'),
    13: one('overload', 'string'),
  },
  entry: { 1: one('key', 'string'), 2: one('value', 'string') },
};

/**
 * Numbers of a repeated field: single ones, and packed runs that stay bytes of the file until somebody who knows how many there
 * must be asks for them.
 */
export interface NumberList {
  readonly kind: 'int' | 'float' | 'double';
  readonly parts: readonly (number | Uint8Array)[];
}

export interface OnnxModel {
  readonly irVersion?: number;
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly graph?: OnnxGraph;
  readonly opsetImport?: readonly OnnxOperatorSet[];
  readonly metadata?: readonly OnnxEntry[];
  readonly functions?: readonly OnnxFunction[];
}

export interface OnnxOperatorSet {
  readonly domain?: string;
  readonly version?: number;
}

export interface OnnxEntry {
  readonly key?: string;
  readonly value?: string;
}

export interface OnnxGraph {
  readonly nodes?: readonly OnnxNode[];
  readonly name?: string;
  readonly initializers?: readonly OnnxTensor[];
  readonly inputs?: readonly OnnxValueInfo[];
  readonly outputs?: readonly OnnxValueInfo[];
  readonly valueInfo?: readonly OnnxValueInfo[];
  readonly sparseInitializers?: readonly OnnxSparseTensor[];
}

export interface OnnxNode {
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly name?: string;
  readonly opType?: string;
  readonly attributes?: readonly OnnxAttribute[];
  readonly domain?: string;
  readonly overload?: string;
}

export interface OnnxAttribute {
  readonly name?: string;
  readonly f?: number;
  readonly i?: number;
  readonly s?: Uint8Array;
  readonly t?: OnnxTensor;
  readonly g?: OnnxGraph;
  readonly floats?: NumberList;
  readonly ints?: NumberList;
  readonly strings?: readonly Uint8Array[];
  readonly tensors?: readonly OnnxTensor[];
  readonly graphs?: readonly OnnxGraph[];
  readonly type?: number;
  readonly refAttrName?: string;
  readonly sparseTensor?: OnnxSparseTensor;
}

export interface OnnxTensor {
  readonly dims?: NumberList;
  readonly dataType?: number;
  readonly floatData?: NumberList;
  readonly int32Data?: NumberList;
  readonly stringData?: readonly Uint8Array[];
  readonly int64Data?: NumberList;
  readonly name?: string;
  readonly rawData?: Uint8Array;
  readonly doubleData?: NumberList;
  readonly uint64Data?: NumberList;
  readonly externalData?: readonly OnnxEntry[];
  readonly dataLocation?: number;
}

export interface OnnxSparseTensor {
  readonly values?: OnnxTensor;
  readonly indices?: OnnxTensor;
  readonly dims?: NumberList;
}

export interface OnnxValueInfo {
  readonly name?: string;
  readonly type?: {
    readonly tensorType?: {
      readonly elemType?: number;
      readonly shape?: { readonly dims?: readonly OnnxDimension[] };
    };
  };
}

export interface OnnxDimension {
  readonly value?: number;
  readonly parameter?: string;
}

export interface OnnxFunction {
  readonly name?: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly nodes?: readonly OnnxNode[];
  readonly opsetImport?: readonly OnnxOperatorSet[];
  readonly domain?: string;
  readonly attributeDefaults?: readonly OnnxAttribute[];
  readonly overload?: string;
}

/** Numbers of `TensorProto.DataType`. */
export const DATA_TYPE = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const;

export type DataTypeName = keyof typeof DATA_TYPE;

/** Numbers of `AttributeProto.AttributeType`. */
export const ATTRIBUTE_TYPE = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;
