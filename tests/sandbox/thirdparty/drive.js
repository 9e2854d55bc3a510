// Drive the npm package bakong-khqr, as it was published, against another address. Prints JSON.
// Arguments: folder of node_modules, address, account, an account that does not exist.
// Certificates are judged by Node itself under NODE_EXTRA_CA_CERTS.
const [folder, address, account, stranger] = process.argv.slice(2);
const { BakongKHQR, IndividualInfo, SourceInfo, khqrData } = require(`${folder}/bakong-khqr`);

async function main() {
  const info = new IndividualInfo(account, "Node Shop", "Phnom Penh", {
    currency: khqrData.currency.usd,
    amount: 2.5,
    billNumber: "TXN-NODE",
    expirationTimestamp: Date.now() + 600000,
  });
  const made = new BakongKHQR().generateIndividual(info).data;
  const source = new SourceInfo("https://shop.example/i.png", "Node Shop", "https://shop.example/back");
  const deeplink = await BakongKHQR.generateDeepLink(`${address}/v1/generate_deeplink_by_qr`, made.qr, source);
  const check = `${address}/v1/check_bakong_account`;
  return {
    qr: made.qr,
    md5: made.md5,
    deeplink,
    known: await BakongKHQR.checkBakongAccount(check, account),
    unknown: await BakongKHQR.checkBakongAccount(check, stranger),
  };
}

main().then(
  (answer) => console.log(JSON.stringify(answer)),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
