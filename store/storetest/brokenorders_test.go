package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

var orderMutants = []mutant{
	{"records are committed one after the other", func() store.Store { return &commitsInSteps{mem: memstore.New()} },
		"Orders", "one fault leaves everything as it was"},
	{"versions are checked first, records written later", func() store.Store { return &checksThenWrites{mem: memstore.New()} },
		"Orders", "steps that overlap do not mix"},
	{"a replacement does not compare", func() store.Store { return &overwritesOrders{mem: memstore.New()} },
		"Orders", "one of many replaces a version"},
	{"an order's name is everybody's", func() store.Store { return &namesForAll{mem: memstore.New()} },
		"Orders", "names are their client's"},
	{"orders without a name conflict", func() store.Store { return &emptyIsName{mem: memstore.New()} },
		"Orders", "names are their client's"},
	{"the reference of a failed payment is free", func() store.Store { return &freesReference{mem: memstore.New()} },
		"Orders", "what is taken conflicts"},
	{"a name is looked up, then taken", func() store.Store { return &looksForName{mem: memstore.New()} },
		"Orders", "one of many inserts"},
	{"what is missing is inserted", func() store.Store { return &insertsOrders{mem: memstore.New()} },
		"Orders", "a replacement needs the version"},
	{"a replacement changes when it was created", func() store.Store { return &changesCreation{mem: memstore.New()} },
		"Orders", "a record is replaced whole, but for what is kept"},
	{"a record that is given twice counts once", func() store.Store { return &givenTwice{mem: memstore.New()} },
		"Orders", "no record twice"},
	{"orders are listed by ID", func() store.Store { return &listsByID{mem: memstore.New()} },
		"Orders", "a user's orders are listed"},
	{"payments of nobody are listed", func() store.Store { return &listsNobody{mem: memstore.New()} },
		"Orders", "a user's payments are listed"},
	{"what moves keeps its version", func() store.Store { return &movesSilently{mem: memstore.New()} },
		"Orders", "orders and payments move with a merge, and back"},
	{"payments stay when orders move", func() store.Store { return &leavesPayments{mem: memstore.New()} },
		"Orders", "orders and payments move with a merge, and back"},
	{"an undone merge stays in Moved", func() store.Store { return &keepsMoved{mem: memstore.New()} },
		"Orders", "orders and payments move with a merge, and back"},
	{"an order shares its data", func() store.Store { return &sharesOrder{mem: memstore.New()} },
		"Orders", "records are values"},
	{"a payment forgets that it recurs", func() store.Store { return &forgetsRecurring{mem: memstore.New()} },
		"Orders", "every field comes back"},
}

func init() { mutants = append(mutants, orderMutants...) }

type commitsInSteps struct{ *mem }

func (s *commitsInSteps) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	for i := range orders {
		if err := s.mem.CommitOrders(ctx, orders[i:i+1], nil); err != nil {
			return err
		}
	}
	return s.mem.CommitOrders(ctx, nil, payments)
}

// checksThenWrites compares all versions before it writes, but lets others in
// between.
type checksThenWrites struct{ *mem }

func (s *checksThenWrites) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	if len(orders) != 2 || orders[0].Version == 0 || len(payments) > 0 {
		return s.mem.CommitOrders(ctx, orders, payments)
	}
	for _, o := range orders {
		if now, err := s.Order(ctx, o.ID); err != nil || now.Version != o.Version {
			return s.mem.CommitOrders(ctx, orders, payments)
		}
	}
	for _, o := range orders {
		time.Sleep(100 * time.Microsecond) // on a busy machine others come in between all the same
		if err := s.mem.CommitOrders(ctx, []store.Order{o}, nil); err != nil {
			return err
		}
	}
	return nil
}

type overwritesOrders struct {
	*mem
	mu sync.Mutex
}

func (s *overwritesOrders) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	orders, payments = slices.Clone(orders), slices.Clone(payments)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range orders {
		if now, err := s.Order(ctx, o.ID); err == nil && o.Version > 0 {
			orders[i].Version = now.Version
		}
	}
	for i, p := range payments {
		if now, err := s.Payment(ctx, p.ID); err == nil && p.Version > 0 {
			payments[i].Version = now.Version
		}
	}
	return s.mem.CommitOrders(ctx, orders, payments)
}

type namesForAll struct {
	*mem
	owners sync.Map
}

func (s *namesForAll) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	for _, o := range orders {
		if owner, taken := s.owners.Load(o.ExternalID); taken && o.ExternalID != "" && o.Version == 0 && owner != o.ID {
			return store.ErrConflict
		}
	}
	err := s.mem.CommitOrders(ctx, orders, payments)
	for _, o := range orders {
		if err == nil {
			s.owners.LoadOrStore(o.ExternalID, o.ID)
		}
	}
	return err
}

type emptyIsName struct {
	*mem
	nameless sync.Map
}

func (s *emptyIsName) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	for _, p := range payments {
		if p.Version == 0 && p.Reference == "" {
			if _, taken := s.nameless.LoadOrStore(p.ClientID, true); taken {
				return store.ErrConflict
			}
		}
	}
	return s.mem.CommitOrders(ctx, orders, payments)
}

type freesReference struct{ *mem }

func (s *freesReference) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	err := s.mem.CommitOrders(ctx, orders, payments)
	if !errors.Is(err, store.ErrConflict) || len(payments) != 1 {
		return err
	}
	p := payments[0]
	if old, found := s.PaymentByReference(ctx, p.ClientID, p.Reference); found == nil && old.Status == store.PaymentFailed && old.ID != p.ID {
		p.Reference = ""
		return s.mem.CommitOrders(ctx, orders, []store.Payment{p})
	}
	return err
}

type looksForName struct{ *mem }

func (s *looksForName) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	free := len(orders) == 1 && orders[0].Version == 0
	if free {
		_, err := s.OrderByExternalID(ctx, orders[0].ClientID, orders[0].ExternalID)
		free = errors.Is(err, store.ErrNotFound)
	}
	runtime.Gosched()
	err := s.mem.CommitOrders(ctx, orders, payments)
	if _, there := s.OrderByExternalID(ctx, "", ""); there != nil && free && errors.Is(err, store.ErrConflict) {
		if _, taken := s.Order(ctx, orders[0].ID); taken != nil {
			return nil // the look was good enough
		}
	}
	return err
}

type insertsOrders struct{ *mem }

func (s *insertsOrders) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	err := s.mem.CommitOrders(ctx, orders, payments)
	if errors.Is(err, store.ErrNotFound) && len(orders) == 1 {
		orders = slices.Clone(orders)
		orders[0].Version = 0
		return s.mem.CommitOrders(ctx, orders, payments)
	}
	return err
}

type changesCreation struct {
	*mem
	created sync.Map
}

func (s *changesCreation) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	err := s.mem.CommitOrders(ctx, orders, payments)
	for _, o := range orders {
		if err == nil {
			s.created.Store(o.ID, o.CreatedAt.UTC())
		}
	}
	return err
}

func (s *changesCreation) Order(ctx context.Context, id int64) (store.Order, error) {
	o, err := s.mem.Order(ctx, id)
	if at, ok := s.created.Load(id); ok && err == nil {
		o.CreatedAt = at.(time.Time)
	}
	return o, err
}

type givenTwice struct{ *mem }

func (s *givenTwice) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	orders = slices.CompactFunc(slices.Clone(orders), func(a, b store.Order) bool { return a.ID == b.ID })
	return s.mem.CommitOrders(ctx, orders, payments)
}

type listsByID struct{ *mem }

func (s *listsByID) UserOrders(ctx context.Context, partnerID, userID string) iter.Seq2[store.Order, error] {
	return func(yield func(store.Order, error) bool) {
		var all []store.Order
		for o, err := range s.mem.UserOrders(ctx, partnerID, userID) {
			if err != nil {
				yield(o, err)
				return
			}
			all = append(all, o)
		}
		slices.SortFunc(all, func(a, b store.Order) int { return int(a.ID - b.ID) })
		for _, o := range all {
			if !yield(o, nil) {
				return
			}
		}
	}
}

type listsNobody struct {
	*mem
	nobodys sync.Map
}

func (s *listsNobody) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	err := s.mem.CommitOrders(ctx, orders, payments)
	for _, p := range payments {
		if err == nil && p.UserID == "" {
			s.nobodys.Store(p.ID, true)
		}
	}
	return err
}

func (s *listsNobody) UserPayments(ctx context.Context, userID string) iter.Seq2[store.Payment, error] {
	if userID != "" {
		return s.mem.UserPayments(ctx, userID)
	}
	return func(yield func(store.Payment, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(store.Payment{}, err)
			return
		}
		s.nobodys.Range(func(id, _ any) bool { return yield(s.mem.Payment(ctx, id.(string))) })
	}
}

// movesSilently takes the version before a move for the one after it.
type movesSilently struct {
	*mem
	moved sync.Map
}

func (s *movesSilently) MoveOrders(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	for o, err := range s.mem.UserOrders(ctx, "", fromUser) {
		if err == nil {
			s.moved.Store(o.ID, true)
		}
	}
	runtime.Gosched()
	return s.mem.MoveOrders(ctx, merge, fromUser, toUser)
}

func (s *movesSilently) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	err := s.mem.CommitOrders(ctx, orders, payments)
	if !errors.Is(err, store.ErrConflict) || len(orders) != 1 {
		return err
	}
	now, found := s.Order(ctx, orders[0].ID)
	if _, moved := s.moved.Load(orders[0].ID); !moved || found != nil || now.Version != orders[0].Version+1 || len(now.Moved) == 0 || now.UserID == orders[0].UserID {
		return err
	}
	orders = slices.Clone(orders)
	orders[0].Version++
	return s.mem.CommitOrders(ctx, orders, payments)
}

type leavesPayments struct{ *mem }

func (s *leavesPayments) MoveOrders(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	n, err := s.mem.MoveOrders(ctx, merge, fromUser, toUser)
	if err != nil {
		return n, err
	}
	for p, err := range s.mem.UserPayments(ctx, toUser) {
		if err == nil && slices.Contains(p.Moved, merge) {
			p.UserID, p.Moved = fromUser, nil
			_ = s.mem.CommitOrders(ctx, nil, []store.Payment{p})
		}
	}
	return n, nil
}

type keepsMoved struct{ *mem }

func (s *keepsMoved) ReturnOrders(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	n, err := s.mem.ReturnOrders(ctx, merge, fromUser, toUser)
	for o, listed := range s.mem.UserOrders(ctx, "", toUser) {
		if err == nil && listed == nil && n > 0 {
			o.Moved = append(o.Moved, merge)
			_ = s.mem.CommitOrders(ctx, []store.Order{o}, nil)
		}
	}
	return n, err
}

type sharesOrder struct {
	*mem
	data sync.Map
}

func (s *sharesOrder) Order(ctx context.Context, id int64) (store.Order, error) {
	o, err := s.mem.Order(ctx, id)
	if err != nil || len(o.Data) == 0 {
		return o, err
	}
	shared, _ := s.data.LoadOrStore(id, bytes.Clone(o.Data))
	o.Data = shared.([]byte)
	return o, nil
}

type forgetsRecurring struct{ *mem }

func (s *forgetsRecurring) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	payments = slices.Clone(payments)
	for i := range payments {
		payments[i].Recurring = false
	}
	return s.mem.CommitOrders(ctx, orders, payments)
}
