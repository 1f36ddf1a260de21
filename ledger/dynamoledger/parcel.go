package dynamoledger

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/solocron/solocron/ledger"
)

// maxNotices is how many notices a transaction takes one by one: of the 100
// items that it may hold a notice is three, the rest of a change at most six.
// More of them leave as a parcel: one item in the change's transaction, from
// which the notices are made afterwards, by the writer or, if that died, by
// whoever takes notices next.
const maxNotices = 31

const attrNotices = "notices"

// parcelPart stores the notices as one item.
func (l *Ledger) parcelPart(nonce string, notices []ledger.Notice) (types.TransactWriteItem, error) {
	packed, err := pack(notices)
	if err != nil {
		return types.TransactWriteItem{}, fmt.Errorf("encode %d notices: %w", len(notices), err)
	}
	parcel := key(parcels, nonce)
	parcel[attrNotices] = blob(packed)
	return (&expr{}).put(l.table, parcel), nil
}

// unpackParcels makes the notices of every parcel that its writer has left.
func (l *Ledger) unpackParcels(ctx context.Context) error {
	for parcel, err := range l.items(ctx, "look for parcels of notices", query{partition: parcels}) {
		if err != nil {
			return err
		}
		var notices []ledger.Notice
		if err := unpack(blobOf(parcel, attrNotices), &notices); err != nil {
			return fmt.Errorf("decode notices of write %s: %w: %w", textOf(parcel, sk), ledger.ErrCorrupt, err)
		}
		if err := l.unpackParcel(ctx, textOf(parcel, sk), notices); err != nil {
			return err
		}
	}
	return nil
}

// unpackParcel makes the notices of a parcel, those that are there already
// excepted, and removes it.
func (l *Ledger) unpackParcel(ctx context.Context, nonce string, notices []ledger.Notice) error {
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, n := range notices {
		g.Go(func() error {
			err := l.call(inner, "write notice "+n.ID, func(ctx context.Context) error {
				_, err := l.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: noticeParts(l.table, n)})
				return err
			})
			if refused(err) != nil {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return l.deletes(ctx, "remove the parcel of write "+nonce, []item{key(parcels, nonce)})
}
