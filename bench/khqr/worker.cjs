// The official KHQR SDK behind a pipe: one JSON request a line in, one JSON answer a line out.
//
//   {"do": "time", "operation", "inputs", "rounds"}   -> {"ns": nanoseconds for each call}
//   {"do": "answer", "operation", "now_ms", "input"}  -> {"outcome", ...} of one call
//   {"do": "versions"}                                -> {"node", "sdk"}
"use strict";

const readline = require("node:readline");
const vm = require("node:vm");
const { BakongKHQR, IndividualInfo, MerchantInfo } = require("bakong-khqr");

const api = new BakongKHQR();
const realNow = Date.now;

// Our names -> the SDK's, for everything that goes into its "optional" object.
const OPTIONAL = {
  currency: "currency",
  amount: "amount",
  expiration_timestamp: "expirationTimestamp",
  bill_number: "billNumber",
  mobile_number: "mobileNumber",
  store_label: "storeLabel",
  terminal_label: "terminalLabel",
  purpose_of_transaction: "purposeOfTransaction",
  language_preference: "languagePreference",
  merchant_name_alternate_language: "merchantNameAlternateLanguage",
  merchant_city_alternate_language: "merchantCityAlternateLanguage",
  upi_merchant_account: "upiMerchantAccount",
  merchant_category_code: "merchantCategoryCode",
  account_information: "accountInformation",
  acquiring_bank: "acquiringBank",
};

const FIELDS = {
  merchant_type: "merchantType",
  bakong_account_id: "bakongAccountID",
  account_information: "accountInformation",
  merchant_id: "merchantID",
  acquiring_bank: "acquiringBank",
  bill_number: "billNumber",
  mobile_number: "mobileNumber",
  store_label: "storeLabel",
  terminal_label: "terminalLabel",
  purpose_of_transaction: "purposeOfTransaction",
  language_preference: "languagePreference",
  merchant_name_alternate_language: "merchantNameAlternateLanguage",
  merchant_city_alternate_language: "merchantCityAlternateLanguage",
  creation_timestamp: "creationTimestamp",
  expiration_timestamp: "expirationTimestamp",
  payload_format_indicator: "payloadFormatIndicator",
  point_of_initiation_method: "pointofInitiationMethod",
  upi_merchant_account: "unionPayMerchant",
  merchant_category_code: "merchantCategoryCode",
  transaction_currency: "transactionCurrency",
  transaction_amount: "transactionAmount",
  country_code: "countryCode",
  merchant_name: "merchantName",
  merchant_city: "merchantCity",
  crc: "crc",
};

function optional(input) {
  const made = {};
  for (const name in OPTIONAL) if (name in input) made[OPTIONAL[name]] = input[name];
  return made;
}

function encode(input) {
  const rest = optional(input);
  if (input.merchant_type === "merchant") {
    const info = new MerchantInfo(
      input.bakong_account_id, input.merchant_name, input.merchant_city,
      input.merchant_id, input.acquiring_bank, rest,
    );
    return api.generateMerchant(info);
  }
  return api.generateIndividual(
    new IndividualInfo(input.bakong_account_id, input.merchant_name, input.merchant_city, rest),
  );
}

// For timing, what a caller has at hand is made beforehand: positional arguments and the options object.
function prepared(operation, input) {
  if (operation === "decode") return () => BakongKHQR.decode(input.qr);
  if (operation === "verify") return () => BakongKHQR.verify(input.qr);
  const rest = optional(input);
  if (input.merchant_type === "merchant")
    return () =>
      api.generateMerchant(
        new MerchantInfo(
          input.bakong_account_id, input.merchant_name, input.merchant_city,
          input.merchant_id, input.acquiring_bank, rest,
        ),
      );
  return () =>
    api.generateIndividual(
      new IndividualInfo(input.bakong_account_id, input.merchant_name, input.merchant_city, rest),
    );
}

const CALLS = {
  encode,
  decode: (input) => BakongKHQR.decode(input.qr),
  verify: (input) => BakongKHQR.verify(input.qr),
};

let pending = null;
globalThis.runPending = () => pending();
const guarded = new vm.Script("runPending()");

function answer({ operation, now_ms, input }) {
  Date.now = () => now_ms;
  pending = () => CALLS[operation](input);
  try {
    const result = guarded.runInThisContext({ timeout: 300 });
    if (operation === "verify") return { outcome: result.isValid ? "valid" : "invalid" };
    if (result.status.code !== 0) return { outcome: "error", error_code: result.status.errorCode };
    if (operation === "encode") {
      if (typeof result.data.qr !== "string") return { outcome: "crash", detail: "an object as QR" };
      return { outcome: "accepted", qr: result.data.qr, md5: result.data.md5 };
    }
    const fields = {};
    for (const name in FIELDS) fields[name] = result.data[FIELDS[name]] ?? null;
    fields.merchant_type = { 29: "individual", 30: "merchant" }[fields.merchant_type] ?? null;
    return { outcome: "fields", fields };
  } catch (error) {
    if (error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return { outcome: "hang" };
    return { outcome: "crash", detail: String(error) };
  } finally {
    Date.now = realNow;
  }
}

function time({ operation, inputs, rounds, now_ms }) {
  Date.now = () => now_ms;
  const calls = inputs.map((input) => prepared(operation, input));
  for (const call of calls) call(); // not counted: the other side has had the caches since
  const started = process.hrtime.bigint();
  for (let round = 0; round < rounds; round++) for (const call of calls) call();
  const ns = Number(process.hrtime.bigint() - started) / (rounds * calls.length);
  Date.now = realNow;
  return { ns };
}

const TASKS = {
  time,
  answer,
  versions: () => ({ node: process.version, sdk: require("bakong-khqr/package.json").version }),
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const request = JSON.parse(line);
  process.stdout.write(JSON.stringify(TASKS[request.do](request)) + "\n");
});
