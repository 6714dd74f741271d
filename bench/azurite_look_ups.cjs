// Loaded into Azurite before its own code (node --require), by flat.py and peers.py with --quick-azurite.
//
// Azurite looks an entity up by {PartitionKey, RowKey} and a blob by {accountName, containerName, name, ...}. LokiJS uses
// the index of the first of these alone and walks all that it finds with it: the whole partition, the whole account. All
// of these properties have an index, so the same question with its most selective property first finds the same one in a
// few steps. Nothing else of Azurite is changed.
"use strict";

const { Collection } = require("lokijs");

const SELECTIVE = ["RowKey", "name", "messageId", "id"];

const { findOne } = Collection.prototype;

Collection.prototype.findOne = function (query) {
  const first = SELECTIVE.find((property) => query && query[property] !== undefined);
  return findOne.call(this, first === undefined ? query : { [first]: query[first], ...query });
};
