/** Red, green and blue of labels, in turns. */
const colours = ['0.0 1.0 0.0', '0.0 0.0 1.0', '1.0 1.0 0.0', '1.0 0.0 1.0', '0.0 1.0 1.0', '1.0 0.0 0.0'];

/**
 * The names of labels as XML, in the form that TotalSegmentator writes into its label maps. It is that of
 * Caret's volume files.
 */
export function labelTable(names: Readonly<Record<number, string>>): string {
  const labels = Object.entries(names).map(([label, name], i) => {
    const [red, green, blue] = colours[i % colours.length].split(' ');
    const text = name.replaceAll(']]>', ']]]]><![CDATA[>');
    return `<Label Key="${label}" Red="${red}" Green="${green}" Blue="${blue}" Alpha="1"><![CDATA[${text}]]></Label>\n`;
  });
  return (
    '<?xml version="1.0" encoding="UTF-8"?> <CaretExtension> <VolumeInformation Index="0"> <LabelTable>\n' +
    `${labels.join('')}</LabelTable> <VolumeType><![CDATA[Label]]></VolumeType> </VolumeInformation></CaretExtension>`
  );
}
