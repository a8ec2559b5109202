// Just enough of ONNX's protobuf to write a model: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

export const FLOAT = 1, INT64 = 7;

const varint = value => {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
};
const integer = (field, value) => [...varint(field * 8), ...varint(value)];
const message = (field, bytes) => [...varint(field * 8 + 2), ...varint(bytes.length), ...bytes];
const text = (field, value) => message(field, [...Buffer.from(value)]);

/** A tensor's name, type and shape, for inputs and outputs. */
export const value = (name, type, shape) => [
  ...text(1, name),
  ...message(2, message(1, [
    ...integer(1, type),
    ...message(2, shape.flatMap(size => message(1, integer(1, size)))),
  ])),
];

/** A constant tensor. */
export const constant = (name, type, shape, values) => [
  ...shape.flatMap(size => integer(1, size)),
  ...integer(2, type),
  ...text(8, name),
  ...message(9, [...new Uint8Array((type === FLOAT ? new Float32Array(values) : new BigInt64Array(values.map(BigInt))).buffer)]),
];

/** An operation; attributes are whole numbers or texts. */
export const node = (operator, inputs, outputs, attributes = {}) => [
  ...inputs.flatMap(name => text(1, name)),
  ...outputs.flatMap(name => text(2, name)),
  ...text(4, operator),
  ...Object.entries(attributes).flatMap(([name, setting]) => message(5, [
    ...text(1, name),
    ...(typeof setting === 'number' ? [...integer(3, setting), ...integer(20, 2)] : [...text(4, setting), ...integer(20, 3)]),
  ])),
];

export const model = ({ nodes, constants = [], inputs, outputs }) => Uint8Array.from([
  ...integer(1, 8),
  ...message(8, integer(2, 18)), // operators as of version 18
  ...message(7, [
    ...nodes.flatMap(each => message(1, each)),
    ...text(2, 'loss'),
    ...constants.flatMap(each => message(5, each)),
    ...inputs.flatMap(each => message(11, each)),
    ...outputs.flatMap(each => message(12, each)),
  ]),
]);
